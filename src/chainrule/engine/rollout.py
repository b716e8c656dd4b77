"""The sampling loop: sample, complete, force and code differ in the rule that chooses the next value."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.engine.runner import Incremental
from chainrule.engine.site import draw_site
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
        runner: what executes the steps; the model itself, eagerly, by default.
    """
    runner = model if runner is None else runner
    head, length = model.head, model.sites
    kind = dtype if head.levels is None else torch.int64
    known = 0 if prefix is None else prefix.shape[1]
    stop = length if stop is None else stop

    state = runner.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)
    prev = torch.zeros(batch * copies, head.variables, device=device, dtype=kind)
    values: list[Tensor] = []  # (B,) each, in generation order
    terms: list[Tensor] = []
    if prefix is not None and known:
        params, state = runner.prefill(prefix, state)
        values += prefix.repeat_interleave(copies, dim=0).flatten(1).unbind(1)
        terms += head.log_prob(params, prefix).repeat_interleave(copies, dim=0).flatten(1).unbind(1)
        prev = prefix[:, -1].repeat_interleave(copies, dim=0)
    if copies > 1:
        state = repeat_rows(state, copies)

    clock = torch.arange(length, device=device)
    phases = model.schedule(length)
    for t in range(known, stop):
        params, state = runner.step(prev, state, clock[t], phase=phases[t])
        for value, conditional in draw_site(head, params, choose, t, kind):
            values.append(value)
            if score:
                terms.append(conditional.log_prob(value))
        prev = values[-1][:, None] if head.variables == 1 else torch.stack(values[-head.variables :], dim=1)
    shape = (stop, head.variables)
    drawn = torch.stack(values, dim=1).unflatten(1, shape)
    return Rollout(drawn, torch.stack(terms, dim=1).double().unflatten(1, shape) if score else None)
