"""Draw items under conditions on some variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from chainrule.domain.part import Part
from chainrule.engine import Sample, branch, draw_noise
from chainrule.errors import ChainruleError, check_count
from chainrule.models import Model
from chainrule.models.base.capabilities import Sequential
from chainrule.models.base.conditioned import candidates, is_exact
from chainrule.tasks.conditions import parts_of

CELLS = 1 << 20  # of candidates at once


@dataclass(frozen=True)
class GivenSample:
    """Draws under conditions.

    Attributes:
        items: (n, *event_shape); cells without a condition may be missing, as in `sample`.
        exact: whether they are exact draws. Otherwise each is one of several candidates, chosen by weight.
        effective: how many independent draws all candidates are worth, (Σ w)² / Σ w².
        candidates: how many there were.
        log_prob: log-probability of the conditions in nats, estimated unless `exact`; of a value of a density, its
            log-density.
    """

    items: Tensor
    exact: bool
    effective: float
    candidates: int
    log_prob: float


def sample_given(
    model: Model,
    n: int,
    given: Mapping[str, Any],
    *,
    particles: int = 64,
    cond: Tensor | int | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> GivenSample:
    """Draw n items of which some variables have given values, or lie in given ranges or sets.

    Each conditioned variable is drawn from its conditional, restricted to what is allowed. That is exact where single
    values come first in the model's ordering, followed by at most one range or set; models of all orderings can put
    them there. Otherwise each item is one of `particles` candidates, chosen by the product of the restricted
    conditionals' probabilities: exact in the limit.

    Args:
        model: that draws variable by variable, on items without order-bound lengths.
        n: number of items.
        given: column (or number of a variable, as text) → a value, a set or list of values, or `between(40, None)`.
        particles: candidates for each draw, where draws are not exact.
        cond: the class of all items, for a conditional model.
        temperature, top_k, top_p: of the variables without conditions.
        generator: where the randomness comes from.

    Raises:
        ChainruleError: on an unknown variable or value, an impossible condition, or a model without conditionals.

    References:
        Rubin (1988), "Using the SIR algorithm to simulate posterior distributions", Bayesian Statistics 3.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("made", cr.Domain.categorical(3, 5), hidden=[8])
        >>> drawn = sample_given(model, 4, {"0": cr.between(2, 3)}, generator=torch.Generator().manual_seed(0))
        >>> drawn.exact, bool(((drawn.items[:, 0] >= 2) & (drawn.items[:, 0] <= 3)).all())
        (True, True)
    """
    check_count("n: expected a number of items", n, 1)
    check_count("particles: expected an integer", particles, 1)
    if not isinstance(model, Sequential):
        raise ChainruleError("given: expected a model that draws variable by variable, got another; use made")
    x, known, parts = _fixed(model, parts_of(model.domain, given))
    exact = is_exact(model, known, parts)
    each = 1 if exact else particles
    rule = Sample(torch.empty(0, 0), temperature, top_k, top_p)
    picks, rows = branch(generator), max(1, CELLS // (each * model.domain.size))
    items, weights = [], []
    for start in range(0, n, rows):
        count = min(rows, n - start)
        conds = model.expand_cond(cond, count * each)
        many = x.expand(count * each, *x.shape[1:])
        drawn, weight = candidates(model, many, known, parts, rule, conds, generator)
        weight = weight.reshape(count, each)
        chosen = choose(weight, draw_noise(count, each + 1, picks, weight.device))
        items.append(drawn[chosen])
        weights.append(weight.flatten())
    log_weights = torch.cat(weights)
    total = log_weights.logsumexp(0)
    if not total.isfinite():
        names = ", ".join(f"{name} = {value}" for name, value in given.items())
        raise ChainruleError(f"given: impossible: the model gives probability 0 to {names}")
    effective = effective_size(log_weights)
    log_prob = total.item() - math.log(len(log_weights))
    return GivenSample(torch.cat(items), exact, effective, len(log_weights), log_prob)


def _fixed(model: Model, parts: dict[int, Part]) -> tuple[Tensor, Tensor, dict[int, Part]]:
    """Single values as a known part of an item (1, *event_shape), its mask (*event_shape), and the other parts."""
    domain = model.domain
    kind = torch.int64 if domain.discrete else torch.float64
    x = torch.zeros(1, domain.size, dtype=kind, device=model.device)
    known = torch.zeros(domain.size, dtype=torch.bool, device=model.device)
    for d, part in parts.items():
        if part.values is not None and len(part.values) == 1:
            x[0, d], known[d] = part.values[0], True
    left = {d: replace(part) for d, part in parts.items() if not known[d]}
    return x.reshape(1, *domain.event_shape), known.reshape(domain.event_shape), left


def effective_size(log_weights: Tensor) -> float:
    """(Σ w)² / Σ w² of log-weights (M,)."""
    return (2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)).exp().item()


def choose(log_weights: Tensor, noise: Tensor) -> Tensor:
    """The index of one candidate of each row (n, M), by weight; of any row where all of its own weigh nothing."""
    rows = torch.arange(len(log_weights), device=log_weights.device)[:, None] * log_weights.shape[1]
    gumbel = -torch.log(-torch.log(noise[:, 1:].clamp(1e-300, 1 - 1e-16)))
    chosen = (rows + (log_weights + gumbel).argmax(1, keepdim=True))[:, 0]
    dead = log_weights.amax(1).isneginf()
    if dead.any() and not dead.all():
        shares = log_weights.flatten().softmax(0).cumsum(0)
        pooled = torch.searchsorted(shares / shares[-1], noise[:, 0].contiguous(), right=True)
        chosen = torch.where(dead, pooled.clamp(max=len(shares) - 1), chosen)
    return chosen
