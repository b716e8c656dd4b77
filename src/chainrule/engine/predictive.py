"""Predictive sampling: parallel passes over forecasts give the sample that `rollout` draws from the same noise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from chainrule.devices import widened
from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.engine.auto import find_runner
from chainrule.engine.choice import Choice
from chainrule.engine.finite import Guard, wide
from chainrule.engine.interfaces import Incremental
from chainrule.engine.rollout import Rollout, Stepwise, rollout
from chainrule.engine.site import draw_sites
from chainrule.networks import Network


class TwoModes(Stepwise, Protocol):
    """What a predictive sampler needs to know of a model."""

    domain: Domain
    ordering: Ordering
    network: Network

    def parallel(self, sites: Tensor, cond: Tensor | None) -> Tensor:
        """The parameters of all sites at once: (B, T, V) → (B, T, P)."""


class Undecided(NamedTuple):
    """The rows that a pass is about to be made over, and what of them is final.

    Attributes:
        values: (R, T, V), final ones and whatever the last pass gave for the others; zeros at first.
        final: (R,) how many sites of each row are final, all of them at least `start`.
        start, stop: the pass decides on the sites start … stop - 1.
        rule: that of these rows.
        cond: the condition of these rows.
        dtype: of features.
    """

    values: Tensor
    final: Tensor
    start: int
    stop: int
    rule: Choice
    cond: Tensor | None
    dtype: torch.dtype


class Predictive(ABC):
    """A runner that forecasts values and checks all forecasts in one parallel pass of the model.

    A value is a function of its conditional and of its own noise. Each pass draws every site given the forecasts before
    it; where all of these are final, so is the draw. Each pass thus makes final every site whose forecast was right,
    up to the first wrong one, and that one too: at most T passes, and the sample is that of `rollout`, whatever the
    forecasts, but for numbers moved by the last bits of their parameters. Rows that are final leave the batch.

    Attributes:
        calls: (N,) passes that each of the items drawn so far took part in.
        passes: made so far, over however many rows.

    References:
        Wiggers, Hoogeboom (2020), "Predictive sampling with forecasting autoregressive models", algorithm 1,
        https://arxiv.org/abs/2002.09928
    """

    def __init__(self) -> None:
        self.calls, self.passes = torch.zeros(0, dtype=torch.int64), 0

    @abstractmethod
    def stop(self, start: int, length: int) -> int:
        """The site before which a pass ends that begins with site `start` of `length`."""

    @abstractmethod
    def guess(self, undecided: Undecided) -> Tensor:
        """The values (R, T, V) to ask the model about; final ones as they are."""

    @torch.no_grad()
    def rollout(
        self,
        model: TwoModes,
        choose: Choice,
        batch: int,
        *,
        cond: Tensor | None = None,
        prefix: Tensor | None = None,
        copies: int = 1,
        score: bool = False,
        device: torch.device,
        dtype: torch.dtype,
    ) -> Rollout:
        """See `engine.rollout` for the arguments; a score costs one more pass, which is not counted."""
        head, length, rows = model.head, model.sites, batch * copies
        known = 0 if prefix is None else prefix.shape[1]
        kind = head.kind(dtype)
        values = torch.zeros(rows, length, head.variables, device=device, dtype=kind)
        if prefix is not None:
            values[:, :known] = prefix.repeat_interleave(copies, dim=0)
        cond = None if cond is None else cond.repeat_interleave(copies, dim=0)
        final = torch.full((rows,), known, device=device)
        calls = torch.zeros_like(final)
        guard = Guard(model, device, 0)
        while rows and (start := int(final.min())) < length:
            stop = min(self.stop(start, length), length)
            own = (final < stop).nonzero().flatten()
            now = Undecided(
                values[own],
                final[own],
                start,
                stop,
                choose.map(partial(torch.index_select, dim=0, index=own)),
                None if cond is None else cond[own],
                dtype,
            )
            drawn, right, sums = _decide(model, now, self.guess(now))
            # What follows a wrong forecast is thrown away.
            decided = torch.arange(stop - start, device=device) <= right[:, None]
            guard.check(torch.where(decided, sums, 0), start)
            values[own, start:stop] = drawn
            # The first site with a wrong forecast has now been drawn given right ones.
            final[own] = (start + right + 1).clamp(max=stop)
            calls[own] += 1
            self.passes += 1
        self.calls = torch.cat([self.calls, calls.cpu()])
        if not score:
            return Rollout(values, None)
        return Rollout(values, widened(head.log_prob(model.parallel(values, cond), values)))


def _decide(model: TwoModes, now: Undecided, guess: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a pass over the forecasts gives: the values (R, n, V) of the n undecided sites, how many of the first of
    these were forecast rightly (R,), and the sums of their parameters (R, n)."""
    params = _params(model, guess, now)
    guess = guess[:, now.start : now.stop]
    drawn = draw_sites(model.head, params, now.rule, now.start, guess.dtype)
    # What is final stays as it is: in a smaller batch it might be drawn from parameters of other last bits.
    sites = torch.arange(now.start, now.stop, device=guess.device)
    drawn = torch.where((sites < now.final[:, None])[..., None], guess, drawn)
    same = (drawn == guess) | (drawn.isnan() & guess.isnan())
    return drawn, same.all(-1).long().cumprod(1).sum(1), params.sum(-1, dtype=wide(params.dtype))


def _params(model: TwoModes, values: Tensor, now: Undecided) -> Tensor:
    """Parameters of the undecided sites (R, n, P), by a pass over the sites before `stop` if the net allows it."""
    prefill_multiple = model.network.prefill_multiple
    upto = model.sites if prefill_multiple is None else -(-now.stop // prefill_multiple) * prefill_multiple
    if upto >= model.sites:
        params = model.parallel(values, now.cond)
    else:
        options: Any = {"device": values.device, "dtype": now.dtype}
        state = model.init_state(len(values), cond=now.cond, length=model.sites, **options)
        params, _ = model.prefill(values[:, :upto], state)
    return params[:, now.start : now.stop]


def keep_final(values: Tensor, final: Tensor, otherwise: Tensor | float) -> Tensor:
    """Values (R, T, V) at the first `final` sites of each row, `otherwise` after them."""
    sites = torch.arange(values.shape[1], device=values.device)
    return torch.where((sites < final[:, None])[..., None], values, otherwise)


# What may run a rollout: steps, or passes; "eager" names the steps of torch, "native" those of a native loop,
# "native-bf16" and "native-int8" the same with rounded weights, and "captured" those of a GPU's graphs, which
# "captured-fused" makes of kernels of our own.
Runner: TypeAlias = (
    Incremental
    | Predictive
    | Literal["eager", "native", "native-bf16", "native-int8", "captured", "captured-fused"]
)


def generate(
    model: TwoModes, choose: Choice, batch: int, *, runner: Runner | None = None, **options: Any
) -> Rollout:
    """`rollout` by the steps of a runner, or by the passes of a predictive one; arguments are those of `rollout`.

    Raises:
        ChainruleError: if there is no runner of that name for this model.
    """
    if isinstance(runner, str):
        runner = find_runner(model, runner)
    if isinstance(runner, Predictive):
        return runner.rollout(model, choose, batch, **options)
    return rollout(model, choose, batch, runner=runner, **options)
