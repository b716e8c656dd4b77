"""Draw the hidden part of items under conditions on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chainrule.data import decode
from chainrule.domain import Domain
from chainrule.domain.part import Part
from chainrule.engine import Sample, branch, draw_noise
from chainrule.errors import ChainruleError, check_count
from chainrule.models import Model
from chainrule.models.base.capabilities import Completes, Sequential
from chainrule.models.base.conditioned import candidates, is_exact
from chainrule.models.parts.constraints import known_part
from chainrule.tasks.conditions import parts_of
from chainrule.tasks.sample_given import CELLS, choose, effective_size


@dataclass(frozen=True)
class GivenCompletion:
    """Completions under conditions.

    Attributes:
        items: (B, n, *event_shape), known cells unchanged.
        exact: (B,) whether an item's completions are exact draws. Otherwise each is one of several candidates.
        effective: (B,) how many independent draws an item's candidates are worth, (Σ w)² / Σ w².
        candidates: of each item that is not exact.
    """

    items: Tensor
    exact: Tensor
    effective: Tensor
    candidates: int


def complete_given(
    model: Model,
    x: Tensor,
    known: Tensor,
    given: Mapping[str, Any],
    n: int = 1,
    *,
    particles: int = 64,
    cond: Tensor | int | None = None,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> GivenCompletion:
    """Draw what is unknown, n times for each item, where some variables lie in given ranges or sets.

    A condition on a variable that an item knows must hold of it. As `sample_given` otherwise: exact where known
    variables come first in the model's ordering, followed by at most one range or set.

    Args:
        model: that draws variable by variable.
        x: (B, *event_shape); read only where known.
        known: booleans (*event_shape) or (B, *event_shape), True = keep.
        given: column (or number of a variable, as text) → a value, a set or list of values, or `between(40, None)`.
        n: draws per item.
        particles: candidates for each draw, where draws are not exact.
        cond: the class of all items, for a conditional model.
        temperature: of the variables without conditions.
        generator: where the randomness comes from.

    Raises:
        ChainruleError: on an unknown variable or value, a condition that a known cell contradicts or that the model
            gives probability 0, or a model without conditionals.
        DomainError: if x does not lie in the domain where it is known.
    """
    check_count("n: expected a number of draws", n, 1)
    check_count("particles: expected an integer", particles, 1)
    if not (isinstance(model, Sequential) and isinstance(model, Completes)):
        raise ChainruleError("given: expected a model that draws variable by variable, got another; use made")
    parts, shape = parts_of(model.domain, given), model.domain.event_shape
    x, known = (part.flatten(1) for part in known_part(model.domain, x, known))
    _check_known(model.domain, x, known, parts)
    x, known = _with_values(x, known, parts)
    items = x[:, None].repeat(1, n, 1)
    exact, effective = torch.ones(len(x), dtype=torch.bool), torch.full((len(x),), float(n))
    rule = Sample(torch.empty(0, 0), temperature, present=True)
    picks, (masks, which) = branch(generator), known.unique(dim=0, return_inverse=True)
    for k, mask in enumerate(masks):
        own = {d: part for d, part in parts.items() if not mask[d]}
        mask, rows = mask.reshape(shape), (which == k).nonzero().flatten()
        ready = is_exact(model, mask, own)
        exact[rows.cpu()] = ready
        each = 1 if ready else particles
        for some in rows.split(max(1, CELLS // (n * each * model.domain.size))):
            many = x[some].repeat_interleave(n * each, 0).unflatten(1, shape)
            conds = model.expand_cond(cond, len(many))
            drawn, weights = candidates(model, many, mask, own, rule, conds, generator)
            drawn, weights = drawn.flatten(1).unflatten(0, (len(some), -1)), weights.reshape(-1, n, each)
            for row, row_drawn, weight in zip(some.tolist(), drawn, weights, strict=True):
                if not weight.flatten().logsumexp(0).isfinite():
                    raise ChainruleError(f"given: impossible in row {row}: the model gives it probability 0")
                noise = draw_noise(n, each + 1, picks, weight.device)
                items[row] = row_drawn[choose(weight, noise)].to(items.dtype)
                effective[row] = effective_size(weight.flatten())
    return GivenCompletion(items.unflatten(2, shape), exact, effective, n * particles)


def _with_values(x: Tensor, known: Tensor, parts: Mapping[int, Part]) -> tuple[Tensor, Tensor]:
    """Conditions that leave one value are known cells."""
    x, known = x.clone(), known.clone()
    for d, part in parts.items():
        if part.values is not None and len(part.values) == 1:
            x[:, d] = torch.where(known[:, d], x[:, d], part.values[0])
            known[:, d] = True
    return x, known


def _check_known(domain: Domain, x: Tensor, known: Tensor, parts: Mapping[int, Part]) -> None:
    """See that conditions hold of known cells.

    Raises:
        ChainruleError: naming the first that contradicts one.
    """
    for d, part in parts.items():
        for row in known[:, d].nonzero().flatten().tolist():
            value = x[row, d].item()
            if not part.holds(value):
                shown, name = f"{value:.12g}", f"variable {d}"
                if domain.columns:
                    column = domain.columns[d]
                    shown, name = str(decode(x[row : row + 1, d : d + 1], [column]).iat[0, 0]), column.name
                raise ChainruleError(
                    f"given: {name!r} is {shown} in row {row}, which the condition rules out"
                )
