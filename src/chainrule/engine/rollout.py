"""The sampling loop: sample, complete, force and code differ in the rule that chooses the next value."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from chainrule.devices import widest
from chainrule.engine.auto import Automatic
from chainrule.engine.choice import Choice
from chainrule.engine.eager import draw_stepwise
from chainrule.engine.interfaces import Incremental, Loop
from chainrule.heads import Head
from chainrule.layers import repeat_rows


class Stepwise(Incremental, Protocol):
    """What `rollout` needs to know of a model."""

    head: Head
    sites: int

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The phase of each site."""


class Rollout(NamedTuple):
    """What a rollout gives, in generation order.

    Attributes:
        values: (B, T, V).
        log_prob: (B, T, V) float64, nats of each value under its conditional (whatever rule chose it); None if
            they were not asked for.
    """

    values: Tensor
    log_prob: Tensor | None


@torch.no_grad()
def rollout(
    model: Stepwise,
    choose: Choice,
    batch: int,
    *,
    cond: Tensor | None = None,
    prefix: Tensor | None = None,
    copies: int = 1,
    stop: int | None = None,
    score: bool = False,
    device: torch.device,
    dtype: torch.dtype,
    runner: Incremental | None = None,
) -> Rollout:
    """Generate `batch · copies` items site by site, each in one pass.

    Args:
        model: gives the head, the number of sites and the schedule.
        choose: the rule; called with rows in the order (row 0, copy 0), (row 0, copy 1), …
        batch: B.
        cond: the condition, one per row.
        prefix: (B, n, V) sites known beforehand, absorbed in parallel.
        copies: continuations of each row after its prefix.
        stop: draw the sites before this one only; all by default.
        score: whether to give the log-probability of each value as well.
        device, dtype: where the values live, and the type of features.
        runner: what executes the steps; `Automatic` by default, the model itself for eager ones.
    """
    runner = Automatic(model) if runner is None else runner
    head, length, rows = model.head, model.sites, batch * copies
    kind = head.kind(dtype)
    known = 0 if prefix is None else prefix.shape[1]
    shape = (rows, length if stop is None else stop, head.variables)

    state = runner.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)
    values = torch.zeros(shape, device=device, dtype=kind)
    terms = torch.zeros(shape, device=device, dtype=widest(device)) if score else None
    if prefix is not None and known:
        params, state = runner.prefill(prefix, state)
        values[:, :known] = prefix.repeat_interleave(copies, dim=0)
        if terms is not None:
            terms[:, :known] = head.log_prob(params, prefix).repeat_interleave(copies, dim=0)
    if copies > 1:
        state = repeat_rows(state, copies)
    if isinstance(runner, Loop):
        runner.loop(choose, values, state, first=known, terms=terms)
    else:
        draw_stepwise(model, runner, choose, values, state, known, shape[1], terms)
    return Rollout(values, terms)
