"""The sampling loop without an end: sites are handed out as they are drawn, in memory that does not grow."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.engine.rollout import Stepwise
from chainrule.engine.site import draw_site
from chainrule.layers import State


def stream(
    model: Stepwise,
    rules: Iterator[Choice],
    batch: int,
    *,
    cond: Tensor | None = None,
    prefix: Tensor,
    context: int | None,
    block: int = 1,
    most: int | None = None,
    end: int | None = None,
    device: torch.device,
    dtype: torch.dtype,
) -> Iterator[Tensor]:
    """Yield sites (B, block, V) of levels, behind a prefix, in generation order; for a caller who wants no gradients.

    Args:
        model: gives the head, the number of sites L and the schedule.
        rules: one after another, each for a stretch of L sites; the next is taken at every multiple of L.
        batch: B.
        cond: the condition, one per row.
        prefix: (B, n, V) sites known beforehand, absorbed in parallel; of no site for a start from nothing.
        context: None if steps may go on for ever. Else the net starts afresh whenever it has reached its length, and
            absorbs so many of the last sites; of a prefix as long as that it never sees more.
        block: sites handed out together; fewer at the end.
        most: sites after which the stream ends, those of the prefix counted.
        end: the level after which a row has ended; the stream ends once all have. Only for V = 1.
        device, dtype: where the values live, and the type of features.
    """
    head, length = model.head, model.sites
    phases = model.schedule(length)
    kept: deque[Tensor] = deque(maxlen=context or 0)

    def begin(sites: Tensor) -> tuple[State, Tensor]:
        state = model.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)
        if not sites.shape[1]:
            return state, torch.zeros(batch, head.variables, device=device, dtype=torch.int64)
        return model.prefill(sites, state)[1], sites[:, -1]

    known = prefix.shape[1]
    kept.extend(prefix.unbind(1))
    if context is not None and known >= length:
        prefix = prefix[:, known - context :]
    (state, prev), t = begin(prefix), prefix.shape[1]
    rule = next(rules)
    running = torch.ones(batch, dtype=torch.bool, device=device)
    drawn: list[Tensor] = []  # (B, V) each
    for site in itertools.count(known) if most is None else range(known, most):
        if context is not None and t == length:
            (state, prev), t = begin(_together(kept, prev)), len(kept)
        if site > known and site % length == 0:
            rule = next(rules)
        clock = torch.full((), t, device=device)
        params, state = model.step(prev, state, clock, phase=phases[min(t, length - 1)])
        values = draw_site(head, params, rule, site % length, torch.int64)
        prev = torch.stack([value for value, _ in values], dim=1)
        drawn.append(prev)
        kept.append(prev)
        t += 1
        if end is not None:
            running &= prev[:, 0] != end
            if not running.any():
                break
        if len(drawn) == block:
            yield torch.stack(drawn, dim=1)
            drawn = []
    if drawn:
        yield torch.stack(drawn, dim=1)


def _together(sites: deque[Tensor], like: Tensor) -> Tensor:
    """n sites (B, V) → (B, n, V); also if there are none."""
    return torch.stack(list(sites), dim=1) if sites else like[:, None][:, :0]
