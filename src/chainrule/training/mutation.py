"""Noise on the data themselves: what a background model is trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import DomainError


def mutated(x: Tensor, domain: Domain, rate: float, generator: torch.Generator | None = None) -> Tensor:
    """Items in which each variable is, with probability `rate`, any of its levels, all alike.

    A model of such items knows what values are common and what their neighbours are, and little of what an item is:
    its likelihood is the background of the likelihood ratio.

    Args:
        x: (B, *event_shape).
        domain: theirs.
        rate: in [0, 1].
        generator: where the randomness comes from.

    Raises:
        DomainError: if items are real, or differ in length.

    References:
        Ren et al. (2019), "Likelihood ratios for out-of-distribution detection", https://arxiv.org/abs/1906.02845,
        section 3.
    """
    check_mutable(domain)
    levels = torch.tensor(domain.levels_per_variable, device=x.device).reshape(domain.event_shape)
    chosen, value = torch.rand((2, *x.shape), generator=generator, device=x.device)
    # In single precision a uniform number below 1 times the levels may round up to their number.
    drawn = (value * levels).long().minimum(levels - 1)
    return torch.where(chosen < rate, drawn.to(x.dtype), x)


def check_mutable(domain: Domain) -> None:
    """Refuse what has no levels to draw from, or an end that must stay where it is.

    Raises:
        DomainError: saying what was expected.
    """
    if not domain.discrete or domain.lengths != "fixed":
        raise DomainError(f"mutate: expected levels, in items of one length, got {domain}")
