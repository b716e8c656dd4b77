"""What the hidden part of items costs, given the known part."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.models import Model
from chainrule.tasks.conditional import conditional_log_prob
from chainrule.tasks.masks import known_mask

BATCH = 64  # items at once, of which estimates draw many candidates each


class HiddenNats(NamedTuple):
    """-log p(hidden | known) of each item, on the CPU.

    Attributes:
        nats: (N,) float64.
        se: its standard error (N,), 0 where it is exact.
        exact: (N,) booleans: whether it is the value itself, or an importance-sampling estimate.
    """

    nats: Tensor
    se: Tensor
    exact: Tensor


def hidden_nats(
    model: Model,
    x: Tensor,
    known: Tensor | str,
    *,
    cond: Tensor | None = None,
    generator: torch.Generator | None = None,
    batch: int = BATCH,
) -> HiddenNats:
    """-log p(hidden | known) of each item, in batches.

    Args:
        model: exact; see `conditional_log_prob`.
        x: (N, *event_shape), whole.
        known: booleans (*event_shape), or what `known_mask` takes, such as "top".
        cond: one per item, for a conditional model.
        generator: source of randomness, where the value is an estimate; by default of seed 0.
        batch: items at once.

    Raises:
        ChainruleError: if the model is not exact, or the mask is none.
        DomainError: if x does not lie in the domain.

    Example:
        >>> import chainrule as cr
        >>> model, x = cr.create_model("made", cr.Domain.binary(4)), torch.zeros(3, 4, dtype=torch.int64)
        >>> hidden_nats(model, x, torch.tensor([True, True, False, False])).exact
        tensor([True, True, True])
    """
    mask = known_mask(model.domain, known) if isinstance(known, str) else known
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    conds = [None] * len(x) if cond is None else cond.to(model.device).split(batch)
    parts = [
        conditional_log_prob(model, part, mask, cond=own, generator=generator)
        for part, own in zip(x.split(batch), conds, strict=False)
    ]
    log_prob, se, exact = (torch.cat(each).cpu() for each in zip(*parts, strict=True))
    return HiddenNats(-log_prob, se, exact)
