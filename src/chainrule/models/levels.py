"""What a domain allows: levels that a column lacks, and items known in part."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import DomainError
from chainrule.heads import Head
from chainrule.ordering import Ordering


def forbidden_logits(domain: Domain, ordering: Ordering, head: Head) -> Tensor | None:
    """(T, P): -inf at the levels a column does not have, where columns differ; None where they do not."""
    if (
        not domain.discrete
        or not isinstance(domain.levels, tuple)
        or head.size != head.variables * domain.max_levels
    ):
        return None
    levels = ordering.flatten(torch.tensor(domain.levels_per_variable)[None])[0]
    beyond = torch.arange(domain.max_levels) >= levels[:, None]
    logits = torch.zeros(beyond.shape).masked_fill(beyond, -torch.inf)
    return logits.reshape(domain.size // head.variables, head.size)


def known_part(domain: Domain, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """x with zeros where it is unknown, and the mask in its shape.

    Args:
        domain: x must lie in it where it is known.
        x: (B, *event_shape).
        known: booleans (*event_shape) or (B, *event_shape).

    Raises:
        DomainError: if either does not fit.
    """
    shapes = [domain.event_shape]
    if isinstance(x, Tensor) and x.ndim:
        shapes.append((len(x), *domain.event_shape))
    if not isinstance(known, Tensor) or known.dtype != torch.bool or tuple(known.shape) not in shapes:
        came = f"{known.dtype} {tuple(known.shape)}" if isinstance(known, Tensor) else type(known).__name__
        raise DomainError(
            f"known: expected booleans of shape {domain.event_shape}, one mask or one per item, got {came}"
        )
    if not isinstance(x, Tensor) or tuple(x.shape[1:]) != domain.event_shape:
        return domain.check(x), known  # raises
    known = known.to(x.device).expand(x.shape)
    return domain.check(torch.where(known, x, torch.zeros((), dtype=x.dtype, device=x.device))), known
