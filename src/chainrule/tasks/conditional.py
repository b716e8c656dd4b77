"""How likely a hidden part of items is, given the known part."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.models.base.capabilities import Sequential


class ConditionalLikelihood(NamedTuple):
    """log p(hidden | known) of each item.

    Attributes:
        log_prob: (B,) float64 nats.
        se: its standard error (B,), 0 where it is exact.
        exact: (B,) booleans: whether it is the likelihood itself, or an estimate by importance sampling, which on
            average is too high.
    """

    log_prob: Tensor
    se: Tensor
    exact: Tensor


def conditional_log_prob(
    model: Model,
    x: Tensor,
    known: Tensor,
    *,
    cond: Tensor | int | None = None,
    particles: int = 64,
    generator: torch.Generator | None = None,
) -> ConditionalLikelihood:
    """log p(x) - log p(known part of x).

    Exact where what is known comes first in the ordering, so for any mask of a model without one. Else p(known) is
    estimated: the mean, over items in which the rest is drawn, of the probability of the known variables given what
    came before them.

    Args:
        model: a mixture is exact where all of its members are.
        x: (B, *event_shape), whole.
        known: booleans (*event_shape) or (B, *event_shape).
        cond: one per item, or one for all.
        particles: draws of an estimate, of each member.
        generator: where the randomness comes from.

    Raises:
        ChainruleError: on fewer than two particles.
        DomainError: if x does not lie in the domain.

    Example:
        >>> import chainrule as cr
        >>> model, x = cr.create_model("made", cr.Domain.binary(4)), torch.zeros(1, 4, dtype=torch.int64)
        >>> conditional_log_prob(model, x, torch.tensor([True, True, False, False])).exact
        tensor([True])
    """
    if particles < 2:
        raise ChainruleError(f"particles: expected an integer ≥ 2, got {particles}")
    x = model.domain.check(x).to(model.device)
    known = known.to(model.device).expand(x.shape)
    if not isinstance(model, Sequential):
        raise ChainruleError(
            "conditional likelihood: expected a model that draws variables one after another, "
            f"got {model.name or type(model).__name__}"
        )
    own = model.expand_cond(cond, len(x))
    with exact_arithmetic(model):
        found = model.log_prob_given(x, known, own, particles=particles, generator=generator)
    return ConditionalLikelihood(*found)
