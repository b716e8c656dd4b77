"""Items given that some variables lie in parts of their values: candidates, and how much each weighs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from chainrule.devices import widest
from chainrule.domain.part import Part
from chainrule.engine import Known, Sample, branch, draw_noise
from chainrule.engine.restrict import Restrict
from chainrule.heads.restricted import Interval, Values
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import Sequential


def is_exact(model: Sequential, known: Tensor, parts: Mapping[int, Part]) -> bool:
    """Whether a candidate is an exact draw: known variables come first in the ordering, then at most one part.

    Args:
        model: of one ordering or several.
        known: booleans (*event_shape).
        parts: variable → the values it may take.
    """
    first = torch.cat([known.flatten().nonzero().flatten().cpu(), torch.tensor([*parts], dtype=torch.long)])
    members = model.followed(first)
    if len(members) > 1:
        return False
    flat = known.flatten().cpu()
    places = members[0].ordering.variables.tolist()
    kinds = ["known" if flat[d] else "part" if d in parts else "free" for d in places]
    after = kinds[next((i for i, kind in enumerate(kinds) if kind != "known"), len(kinds)) :]
    return after.count("known") == 0 and after.count("part") == (after[:1] == ["part"])


def candidates(
    model: Sequential,
    x: Tensor,
    known: Tensor,
    parts: Mapping[int, Part],
    rule: Sample,
    cond: Tensor | None,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """One candidate for each row of x, drawn in order, each variable from its part; and log-weights (B,) float64.

    The mean of the weights is the probability (or density) of what is known and of the parts.

    Args:
        model: of one ordering, or of several, of which each candidate follows one at random.
        x: (B, *event_shape), in the domain where known.
        known: booleans (*event_shape).
        parts: variable → the values it may take, in the domain's own units.
        rule: for the other variables; it has no noise yet.
        cond: one per row.
        generator: of the noise.
    """
    first = torch.cat([known.flatten().nonzero().flatten().cpu(), torch.tensor([*parts], dtype=torch.long)])
    members = model.followed(first)
    noise = draw_noise(len(x), model.domain.size, generator, x.device)
    which = (draw_noise(len(x), 1, branch(generator, 1), x.device)[:, 0] * len(members)).long()
    values = x.clone()
    weights = torch.zeros(len(x), dtype=widest(x.device), device=x.device)
    for k, member in enumerate(members):
        rows = (which == k).nonzero().flatten()
        if len(rows):
            own, given = replace(rule, noise=noise[rows]), None if cond is None else cond[rows]
            drawn, weights[rows] = _by_one(member, x[rows], known, parts, own, given)
            values[rows] = drawn.to(values.dtype)
    return values, weights


def _by_one(
    model: AutoregressiveModel,
    x: Tensor,
    known: Tensor,
    parts: Mapping[int, Part],
    rule: Sample,
    cond: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The same from one factorisation."""
    mask = model.ordering.flatten(known[None])
    places = model.ordering.variables.argsort().tolist()
    restrict = Restrict(rule, {places[d]: part for d, part in _of_head(model, parts)})
    sites = model.readable(model.to_sites(x)).flatten(1)
    choice = Known(sites, mask.expand(len(x), -1), restrict)
    drawn = model.rollout(choice, len(x), cond, score=True, runner=model)  # eager: the rule keeps a record
    log_known = torch.where(mask, drawn.log_prob.flatten(1), 0.0).sum(1)
    values = model.from_sites(drawn.values).flatten(1)
    for d, part in parts.items():
        values[:, d] = part.clamp(values[:, d].double()).to(values.dtype)  # which units round
    values = values.unflatten(1, model.domain.event_shape)
    whole = torch.where(known, x.to(values.dtype), values)
    weights = log_known + sum(restrict.log_mass.values())
    return model.domain.canonicalise(whole), weights


def _of_head(
    model: AutoregressiveModel, parts: Mapping[int, Part]
) -> Iterator[tuple[int, Values | Interval]]:
    """Each variable's part in the units of the head."""
    for d, part in parts.items():
        ends = (part.lowest, part.highest) if part.values is None else part.values
        cells = torch.tensor(ends, dtype=torch.float64, device=model.device)
        if model.units is not None:
            rows = torch.zeros(len(cells), model.domain.size, dtype=torch.float64, device=model.device)
            rows[:, d] = cells
            cells = model.units.standardise(rows, torch.float64)[:, d]
        if part.values is None:
            yield d, Interval(cells[0], cells[1], part.above, part.below)
        else:
            yield d, Values(cells if model.units is not None else cells.long())
