"""All items of a tiny domain, or a grid over it, with the weight of each; and the cells they are counted in."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.domain.column import Column
from chainrule.layers.numbers.numbers import NOWHERE, Numbers
from chainrule.models import Model

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


class NumberAxis(Axis):
    """The values of a number column: its grid between two ends, or its points and a density, integrated piece by piece.

    Pieces end at the knots of the column's map, between which the density is smooth; in a tail they are even in the
    logarithm of the distance.

    Args:
        column: of kind "number".
        knots: (k,) of its map, rising.
        nodes: of a piece.
    """

    kind = "number"

    def __init__(self, column: Column, knots: Tensor, nodes: int) -> None:
        self.points = torch.tensor(column.points, dtype=torch.float64)
        if column.step:
            first, last = (round(end / column.step) for end in column.ends if end is not None)
            values = torch.arange(first, last + 1, dtype=torch.float64) * column.step
            self.edges, self.points = values[:-1] + column.step / 2, self.points[:0]
            weights = torch.ones_like(values)
        else:
            self.edges = torch.tensor(EDGES).double()
            low, high = column.ends
            inner = (
                torch.cat([knots, self.edges[(self.edges > knots[0]) & (self.edges < knots[-1])]])
                .sort()
                .values
            )
            below = self._tail(knots[0], -1, low, nodes)
            above = self._tail(knots[-1], 1, high, nodes)
            body = _pieces(inner, nodes)
            parts = [(knots[0] - below[0], below[1]), body, (knots[-1] + above[0], above[1])]
            values, weights = (torch.cat([part[i] for part in parts]) for i in (0, 1))
            values, weights = (
                torch.cat([values, self.points]),
                torch.cat([weights, torch.ones_like(self.points)]),
            )
        if column.missing:
            values, weights = (
                torch.cat([values, values.new_tensor([torch.nan])]),
                torch.cat([weights, weights.new_ones(1)]),
            )
        self.values, self.weights = values, weights

    def _tail(self, knot: Tensor, sign: int, end: float | None, nodes: int) -> tuple[Tensor, Tensor]:
        """Distances (n,) from a knot and what each stands for: t = e^s - 1, or up to an end at L, t = L (1 - e^-s)."""
        length = None if end is None else (end - knot).abs()
        cuts = sign * (self.edges - knot)
        cuts = cuts[cuts > 0] if length is None else cuts[(cuts > 0) & (cuts < length)]
        cuts = cuts.log1p() if length is None else -(-cuts / length).log1p()
        ends = torch.cat([cuts, torch.linspace(0, 44, 12, dtype=torch.float64)]).sort().values
        s, weights = _pieces(ends, nodes)
        if length is None:
            return s.expm1(), s.exp() * weights
        return -length * (-s).expm1(), length * (-s).exp() * weights

    @property
    def cells(self) -> int:
        """How many cells: between edges, points, and missing ones in the last."""
        return 2 + len(self.edges) + len(self.points)

    def cell(self, values: Tensor) -> Tensor:
        """(N,) → (N,) the cell of each."""
        cell = torch.bucketize(values.nan_to_num().double(), self.edges)
        for j, point in enumerate(self.points):
            cell = torch.where(values == point, len(self.edges) + 1 + j, cell)
        return torch.where(values.isnan(), self.cells - 1, cell)


def _pieces(edges: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """Places (n,) and weights of Gauss and Legendre in the pieces between edges (k,)."""
    at, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(nodes))
    half = edges.diff()[:, None] / 2
    return (edges[:-1, None] + half * (1 + at)).flatten(), (half * weights).flatten()


def axes(
    domain: Domain, resolution: float = 1.0, crowded: bool = False, model: Model | None = None
) -> list[Axis]:
    """One for each variable of the flattened data; `resolution` times the points for a real, or crowded around 0.

    The model's maps say where the densities of number columns have their kinks.
    """
    if domain.discrete:
        return [Axis("categorical", levels, False, 0) for levels in domain.levels_per_variable]
    kinds = [(c.kind, c.levels or 0, c.missing) for c in domain.columns] or [("real", 0, False)] * domain.size
    points = 1201 if sum(kind == "real" for kind, _, _ in kinds) == 1 else 301
    points = round((points - 1) * resolution) + 1
    found = [Axis(kind, levels, missing, points, crowded) for kind, levels, missing in kinds]
    for d, column in enumerate(domain.columns):
        if column.kind == "number":
            found[d] = NumberAxis(column, _knots(model, column), max(3, round(6 * resolution)))
    return found


def _knots(model: Model | None, column: Column) -> Tensor:
    """Where the map of a column has its knots (k,)."""
    for part in () if model is None else model.modules():
        if isinstance(part, Numbers):
            place = [own.name for own in part.columns].index(column.name)
            knots = part.map.knots[place, :, 0]
            return knots[knots < NOWHERE]
    return torch.zeros(1, dtype=torch.float64)


def support(
    domain: Domain,
    dtype: torch.dtype,
    *,
    resolution: float = 1.0,
    crowded: bool = False,
    model: Model | None = None,
) -> tuple[Tensor, Tensor]:
    """All items (N, *event_shape), a grid where there are reals, and their weights (N,)."""
    parts = axes(domain, resolution, crowded, model)
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
