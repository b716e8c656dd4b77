"""How likely a hidden part of items is, given the known part."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from chainrule.engine import Sample, draw_noise, exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel, Model
from chainrule.models.base.completion import force
from chainrule.models.base.ensemble import Ensemble
from chainrule.models.base.orderless import OrderlessModel


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
    own = model.expand_cond(cond, len(x))
    options: dict[str, Any] = {"particles": particles, "generator": generator}
    with exact_arithmetic(model):
        if isinstance(model, OrderlessModel):
            return _in_best_order(model, x, known, own)
        if isinstance(model, Ensemble):
            return _mixed(model, x, known, own, options)
        if not isinstance(model, AutoregressiveModel):
            raise ChainruleError(
                f"conditional likelihood: expected an exact model, got {type(model).__name__}"
            )
        log_known, se, exact = _log_known(model, x, known, own, **options)
        return ConditionalLikelihood(model.log_prob(x, own) - log_known, se, exact)


def _log_known(
    model: AutoregressiveModel,
    x: Tensor,
    known: Tensor,
    cond: Tensor | None,
    *,
    particles: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """log p(known) of each item, its standard error, and whether it is exact."""
    mask = model.ordering.flatten(known)
    leading = mask.long().cumprod(1).bool()
    terms = model.ordering.flatten(model.log_prob(x, cond, reduce=False)).double()
    found, se = (
        torch.where(leading, terms, 0.0).sum(1),
        torch.zeros(len(x), dtype=torch.float64, device=x.device),
    )
    exact = (mask == leading).all(1)
    rows = (~exact).nonzero().flatten()
    if len(rows):
        many, masks = (part[rows].repeat_interleave(particles, 0) for part in (x, known))
        conds = None if cond is None else cond[rows].repeat_interleave(particles, 0)
        rule = Sample(draw_noise(len(many), model.domain.size, generator).to(model.device))
        weights = force(model, many, masks, rule, conds)[1].reshape(len(rows), particles)
        found[rows] = weights.logsumexp(1) - math.log(particles)
        spread = (weights - weights.amax(1, keepdim=True)).exp()
        se[rows] = spread.std(1) / spread.mean(1) / math.sqrt(particles)
    return found, se, exact


def _in_best_order(
    model: OrderlessModel, x: Tensor, known: Tensor, cond: Tensor | None
) -> ConditionalLikelihood:
    """Each mask under the ordering that has its known variables first."""
    found = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    patterns, which = torch.unique(model.ordering.flatten(known), dim=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        rows = (which == i).nonzero().flatten()
        member = model.in_order(model.ordering.variables[torch.argsort(~pattern.cpu(), stable=True)])
        terms = member.log_prob(x[rows], None if cond is None else cond[rows], reduce=False).double()
        found[rows] = torch.where(known[rows], 0.0, terms).flatten(1).sum(1)
    return ConditionalLikelihood(found, torch.zeros_like(found), torch.ones_like(found, dtype=torch.bool))


def _mixed(
    model: Ensemble, x: Tensor, known: Tensor, cond: Tensor | None, options: dict[str, Any]
) -> ConditionalLikelihood:
    """p(known) of a mixture is the mean of its members'."""
    each = [_log_known(model.member(k), x, known, cond, **options) for k in range(model.members)]
    log_known, errors, exact = (torch.stack(part) for part in zip(*each, strict=True))
    share = log_known.softmax(0)  # how much of the mean each member makes up
    found = model.log_prob(x, cond) - (log_known.logsumexp(0) - math.log(model.members))
    return ConditionalLikelihood(found, (share * errors).square().sum(0).sqrt(), exact.all(0))
