"""The sampling loop without an end: sites are handed out as they are drawn, in memory that does not grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.engine.chunks import Chunks
from chainrule.engine.rollout import Stepwise


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
    """Yield sites (B, block, V) of levels, after a prefix, in generation order; without gradients.

    Args:
        model: gives the head, the number of sites L and the schedule.
        rules: one after another, each for a stretch of L sites; the next is taken at every multiple of L.
        batch: B.
        cond: the condition, one per row.
        prefix: (B, n, V) sites known beforehand, absorbed in parallel; of no site for a start from nothing.
        context: None if steps may go on for ever. Else the net starts afresh whenever it has reached its length, and
            absorbs this many of the last sites; it never sees more of a prefix as long as that.
        block: sites handed out together; fewer at the end.
        most: sites after which the stream ends, those of the prefix counted.
        end: the level after which a row has ended; the stream ends once all have. Only for V = 1.
        device, dtype: where the values live, and the type of features.
    """
    length = model.sites
    kept: deque[Tensor] = deque(maxlen=context or 0)

    steps = Chunks(model, most=block)

    def begin(sites: Tensor) -> None:
        state = model.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)
        prev = torch.zeros(batch, model.head.variables, device=device, dtype=torch.int64)
        if sites.shape[1]:
            state, prev = model.prefill(sites, state)[1], sites[:, -1]
        steps.begin(state, prev, sites.shape[1])

    known = site = prefix.shape[1]
    kept.extend(prefix.unbind(1))
    if context is not None and known >= length:
        prefix = prefix[:, known - context :]
    begin(prefix)
    rule = next(rules)
    running = torch.ones(batch, dtype=torch.bool, device=device)
    drawn: list[Tensor] = []  # (B, n, V) each
    while most is None or site < most:
        if context is not None and steps.t == length:
            begin(_together(kept, prefix))
        if site > known and site % length == 0:
            rule = next(rules)
        # As far as the block, the rule and the net go.
        n = min(block - sum(part.shape[1] for part in drawn), length - site % length)
        n = n if most is None else min(n, most - site)
        n = n if context is None else min(n, length - steps.t)
        part = steps.draw(rule, site % length, n)
        if end is not None:
            ended = ~running[:, None] | (part[..., 0] == end).cummax(1).values
            part = part[:, : n - max(0, int(ended.all(0).sum()) - 1)]
            running &= ~ended[:, -1]
        drawn.append(part)
        kept.extend(part.unbind(1))
        site += part.shape[1]
        if end is not None and not running.any():
            break
        if sum(part.shape[1] for part in drawn) == block:
            yield torch.cat(drawn, dim=1)
            drawn = []
    if drawn:
        yield torch.cat(drawn, dim=1)


def _together(sites: deque[Tensor], like: Tensor) -> Tensor:
    """n sites (B, V) → (B, n, V); also if there are none."""
    return torch.stack(list(sites), dim=1) if sites else like[:, :0]
