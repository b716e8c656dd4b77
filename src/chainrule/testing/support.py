"""All items of a tiny domain, or a grid over it, with the weight of each; and the cells they are counted in."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule.domain import Domain

MOST_ITEMS = 20_000
EXTENT = 60.0  # of the grid over a real, to either side
FARTHEST = 120  # of whole numbers
EDGES = (-2.0, -1.0, -0.4, 0.0, 0.5, 1.2, 2.2)  # of the cells of a number


class Axis:
    """The values of one variable.

    Attributes:
        values: (n,) float64; NaN is a missing cell.
        weights: (n,): 1, or the width of a real's grid cell.
    """

    def __init__(self, kind: str, levels: int, missing: bool, points: int, crowded: bool = False) -> None:
        self.kind = kind
        if kind == "categorical":
            values = torch.arange(levels, dtype=torch.float64)
        elif kind == "integer":
            values = torch.arange(-FARTHEST, FARTHEST + 1, dtype=torch.float64)
        else:
            values = torch.linspace(-EXTENT, EXTENT, points, dtype=torch.float64)
        step = 2 * EXTENT / (points - 1) if kind == "real" else 1.0
        weights = torch.full_like(values, step)
        if crowded and kind == "real":  # x = sinh t, t evenly spaced
            even = values * math.asinh(EXTENT) / EXTENT
            values, weights = even.sinh(), even.cosh() * step * math.asinh(EXTENT) / EXTENT
        # Cells end half-way between grid points, so that a point's weight lies in one cell.
        self.edges = torch.tensor([(math.floor(edge / step) + 0.5) * step for edge in EDGES]).double()
        if missing:
            values = torch.cat([values, torch.tensor([torch.nan])])
            weights = torch.cat([weights, torch.ones(1)])
        self.values, self.weights, self.levels = values, weights, levels

    @property
    def cells(self) -> int:
        """How many cells the values are counted in, missing ones in the last."""
        return 1 + (self.levels if self.kind == "categorical" else len(EDGES) + 1)

    def cell(self, values: Tensor) -> Tensor:
        """(N,) → (N,) the cell of each."""
        known = values.nan_to_num().double()
        cell = known.long() if self.kind == "categorical" else torch.bucketize(known, self.edges)
        return torch.where(values.isnan(), self.cells - 1, cell)


def axes(domain: Domain, resolution: float = 1.0, crowded: bool = False) -> list[Axis]:
    """One for each variable of the flattened data; `resolution` times the points for a real, or crowded around 0."""
    if domain.discrete:
        return [Axis("categorical", levels, False, 0) for levels in domain.levels_per_variable]
    kinds = [(c.kind, len(c.categories), c.missing) for c in domain.columns] or [
        ("real", 0, False)
    ] * domain.size
    points = 1201 if sum(kind == "real" for kind, _, _ in kinds) == 1 else 301
    points = round((points - 1) * resolution) + 1
    return [Axis(kind, levels, missing, points, crowded) for kind, levels, missing in kinds]


def support(
    domain: Domain, dtype: torch.dtype, *, resolution: float = 1.0, crowded: bool = False
) -> tuple[Tensor, Tensor]:
    """All items (N, *event_shape), a grid where there are reals, and their weights (N,)."""
    parts = axes(domain, resolution, crowded)
    items = torch.cartesian_prod(*[axis.values for axis in parts]).reshape(-1, *domain.event_shape)
    weights = torch.cartesian_prod(*[axis.weights for axis in parts]).reshape(len(items), -1).prod(1)
    if domain.discrete:
        items = items.long()
        # Where items end, those with other values after the end are not items.
        valid = (domain.canonicalise(items) == items).flatten(1).all(1)
        return items[valid], weights[valid]
    return items.to(torch.float64 if domain.columns else dtype), weights


def cells(domain: Domain, x: Tensor) -> Tensor:
    """(N, *event_shape) → (N,) the cell of each item: its place in the enumeration, where it is discrete."""
    place = torch.zeros(len(x), dtype=torch.int64)
    for axis, values in zip(axes(domain), x.flatten(1).double().T, strict=True):
        place = place * axis.cells + axis.cell(values)
    return place
