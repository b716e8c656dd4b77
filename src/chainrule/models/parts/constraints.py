"""What a domain allows: levels that a column lacks, what follows an end, and items known in part."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.errors import DomainError
from chainrule.heads import Bernoulli, Categorical, Head


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
    logits = torch.where(beyond, -torch.inf, 0.0)
    return logits.reshape(domain.size // head.variables, head.size)


def check_lengths(domain: Domain, ordering: Ordering, head: Head) -> None:
    """Refuse what cannot serve items that differ in length.

    Raises:
        DomainError: if they are not read from their start, or the head cannot be certain of an end.
    """
    if not ordering.is_identity:
        check_orderable(domain)
    if domain.lengths == "ends" and not isinstance(head, Bernoulli | Categorical):
        raise DomainError(
            f"head: expected a table of levels for {domain}, which has an end, got {type(head).__name__}"
        )


def check_orderable(domain: Domain) -> None:
    """Refuse items that are read from their start alone.

    Raises:
        DomainError: if they differ in length.
    """
    if domain.lengths != "fixed":
        raise DomainError(f"ordering: expected natural for {domain}, whose items differ in length")


def end_logits(domain: Domain, head: Head) -> Tensor | None:
    """(P,): the last level for certain, where items end; None where they do not."""
    if domain.lengths != "ends":
        return None
    logits = torch.full((head.size,), -torch.inf)
    logits[-1] = 0.0 if head.size > 1 else torch.inf  # one logit, of a Bernoulli
    return logits


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
    there = torch.where(known, x, torch.zeros((), dtype=x.dtype, device=x.device))
    if domain.lengths == "ends" and not torch.equal(known.long().cumprod(1).bool(), known):
        raise DomainError(
            "known: expected a prefix of an item that has an end, got known places after unknown ones"
        )
    # What is unknown after a known end is known after all; what is known there is for `check` to refuse.
    there = torch.where(known, there, domain.canonicalise(there))
    return domain.check(there), known
