"""The number columns of a table: their supports and maps, read together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.domain.column import Column
from chainrule.layers.numbers.calendar import Calendar
from chainrule.layers.numbers.fit_curve import fit_curve
from chainrule.layers.numbers.float64 import Float64
from chainrule.layers.numbers.marginal_map import MarginalMap
from chainrule.layers.numbers.remembered import Remembered, affordable

NOWHERE = torch.finfo(torch.float64).max  # where there is no end, no point
FAR = 1e6  # scores at the ends of a support: a logistic has nothing beyond
FINE = 1e-7  # a difference of scores that is smaller has lost its digits
SAME = 1e-9  # of a lattice's step: numbers on it may be off by as much


class Reading(NamedTuple):
    """What numbers (…, m) are, each in its column; whatever needs no net.

    Attributes:
        z, log_slope: (…, m) T(x) and log T'(x).
        point: (…, m, J) whether x is that point.
        member: (…, m, 1 + L) whether x lies on the column's grid, and on each of its lattices.
        low, high, width: (…, m, 1 + L) scores at the edges of x's cell there, and their difference.
        inside: (…, m) whether x lies in the support.
        outside: (…, m) log-density, or log-probability of the cell, of what lies beyond the support; -inf inside.
    """

    z: Tensor
    log_slope: Tensor
    point: Tensor
    member: Tensor
    low: Tensor
    high: Tensor
    width: Tensor
    inside: Tensor
    outside: Tensor


class Numbers(Float64):
    """m number columns; J points and L lattices at most.

    Values on a grid are written k / (1 / step) where that is a whole number, as a file's decimals are read.

    Args:
        columns: of kind "number".
    """

    order: Tensor
    points: Tensor
    cells: Tensor
    allowed: Tensor
    ends: Tensor
    steps: Tensor
    bounded: Tensor

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.lattices = max(len(column.lattices) for column in columns)
        self.count = max(len(column.points) for column in columns)
        self.has_cells = any(column.step or column.lattices for column in columns)
        self.map = MarginalMap(len(columns))
        self.calendar = Calendar(columns)
        if not self.map.knots.is_meta:  # until training data are seen, what the support says
            for place, column in enumerate(columns):
                self.map.keep(place, fit_curve(torch.zeros(0, dtype=torch.float64), column))
        ends = [
            [NOWHERE * sign if end is None else end for sign, end in zip((-1, 1), column.ends, strict=True)]
            for column in columns
        ]
        tables = {
            "points": [[*c.points, *[NOWHERE] * (self.count - len(c.points))] for c in columns],
            "cells": [[_cells(c, grid) for grid in self._grids(c)] for c in columns],
            "ends": ends,
            "steps": [c.step or 0.0 for c in columns],
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.tensor(table, dtype=torch.float64), persistent=False)
        allowed = torch.tensor([self._allowed(column) for column in columns])
        self.register_buffer("allowed", allowed, persistent=False)
        self.register_buffer("bounded", (self.ends.abs() < NOWHERE).any(-1), persistent=False)
        self.register_buffer("order", torch.arange(len(columns)), persistent=False)
        self._remembered: Remembered | None = None

    def _grids(self, column: Column) -> list[tuple[float, float] | None]:
        own = (column.step, 0.0) if column.step else None
        return [own, *column.lattices, *[None] * (self.lattices - len(column.lattices))]

    def _allowed(self, column: Column) -> list[bool]:
        """Which choices it has, of body, missing, points and lattices."""
        points, lattices = len(column.points), len(column.lattices)
        return [
            True,
            column.missing,
            *[j < points for j in range(self.count)],
            *[j < lattices for j in range(self.lattices)],
        ]

    def only(self, column: int) -> Tensor:
        """The number of one column, (1,)."""
        return self.order[column : column + 1]

    @property
    def choices(self) -> int:
        """2 + J + L."""
        return 2 + self.count + self.lattices

    def kinds(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Which of the m (1 + L) grids and lattices of columns (m,) there are, and which columns have no grid.

        Elsewhere than on the CPU all are named: a number that depends on values would wait for the device.
        """
        if columns.device.type != "cpu" or torch.compiler.is_compiling():
            every = torch.arange(len(columns) * (1 + self.lattices), device=columns.device)
            return every, every[: len(columns)]
        step = self.cells.index_select(0, columns)[..., 0]
        return (step.flatten() > 0).nonzero()[:, 0], (step[:, 0] == 0).nonzero()[:, 0]

    @torch.no_grad()
    def remember(self, x: Tensor) -> None:
        """Keep what values x (N, m) of all columns read as, NaN where missing, while the maps stay as they are.

        Where these are too many to keep, or not on the CPU, nothing is kept.
        """
        self._remembered = None
        sizes = self._sizes()
        if affordable(x, sum(sizes)):
            self._remembered = Remembered(x.double(), self._packed)

    def _packed(self, values: Tensor, column: int) -> Tensor:
        """What values (n,) of one column read as, in a row each, (n, F) float64."""
        parts = self.read(values[:, None], self.only(column))
        return torch.cat([part.double().reshape(len(values), -1) for part in parts], dim=-1)

    def _sizes(self) -> list[int]:
        """How many numbers each part of a reading of one value is."""
        cells = 1 + self.lattices
        return [1, 1, self.count, cells, cells, cells, cells, 1, 1]

    def _recall(self, x: Tensor, columns: Tensor) -> Reading | None:
        """What numbers x (…, m) read as, if they are remembered; any reading where they are missing."""
        if self._remembered is None or x.device.type != "cpu":  # the model may have moved
            return None
        rows = self._remembered.find(x, columns.tolist())
        if rows is None:
            return None
        z, log_slope, point, member, low, high, width, inside, outside = rows.split(self._sizes(), dim=-1)
        return Reading(
            z[..., 0],
            log_slope[..., 0],
            point.bool(),
            member.bool(),
            low,
            high,
            width,
            inside[..., 0].bool(),
            outside[..., 0],
        )

    @torch.no_grad()
    def read(self, x: Tensor, columns: Tensor) -> Reading:
        """Numbers x (…, m) of the columns (m,) by number; what a missing one reads as means nothing."""
        x = x.double()
        if (known := self._recall(x, columns)) is not None:
            return known
        x = x.nan_to_num()
        step, start, _, _ = self.cells.index_select(0, columns).unbind(-1)
        index, member = self._members(x, columns)
        middle = start + index * step
        z, log_slope = self.map(x, columns)
        low, high, width = self._edges(middle, index, columns)
        lowest, highest = self._ends(columns)
        inside = torch.where(step[:, 0] > 0, member[..., 0], (x >= lowest) & (x <= highest))
        return Reading(
            z.clamp(-FAR, FAR),
            log_slope,
            self._is_point(x, columns),
            member,
            low,
            high,
            width,
            inside,
            self._outside(x, columns),
        )

    @torch.no_grad()
    def marks(self, x: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """What a net reads: scores of x (…, m), and its marks (…, m, J + L + calendar's size).

        Marks are whether x is each point, whether it lies on each lattice, and its parts of the calendar.
        """
        x = x.double()
        known, x = self._recall(x, columns), x.nan_to_num()
        if known is not None:
            scores, point, member = known.z, known.point, known.member
        else:
            scores, point, member = (
                self.map(x, columns)[0],
                self._is_point(x, columns),
                self._members(x, columns)[1],
            )
        marks = torch.cat([point, member[..., 1:]], dim=-1)
        return scores, torch.cat([marks, self.calendar(x, columns)], dim=-1) if self.calendar.size else marks

    def _is_point(self, x: Tensor, columns: Tensor) -> Tensor:
        """Whether x (…, m) is each of its column's points, (…, m, J)."""
        near = self.steps.index_select(0, columns) / 4
        return (x[..., None] - self.points.index_select(0, columns)).abs() <= near[:, None]

    def snap(self, x: Tensor, columns: Tensor, family: Tensor) -> Tensor:
        """The value nearest to x (…, m) on the grid (0) or the lattices (1 …) `family` (…, m), and in the support."""
        cells = self.cells.index_select(0, columns)
        own = cells[torch.arange(len(columns), device=x.device), family]
        step, start, first, last = own.unbind(-1)
        value = start + torch.round((x - start) / step).clamp(first, last) * step
        lowest, highest = self._ends(columns)
        return torch.where(step == 0, x.clamp(lowest, highest), self.written(value, columns))

    def written(self, x: Tensor, columns: Tensor) -> Tensor:
        """x (…, m) on its column's grid, as the decimals of a file are read; itself where there is no grid."""
        step = self.steps.index_select(0, columns)
        parts = (1 / step).round()
        decimal = (parts * step - 1).abs() < SAME
        value = torch.where(decimal, torch.round(x * parts) / parts, torch.round(x / step) * step)
        return torch.where(step == 0, x, value)

    def score(self, x: Tensor, column: int) -> Tensor:
        """T(x) of numbers (B,) of one column, far out at and beyond its ends."""
        lowest, highest = self.ends[column]
        z = self.map(x[:, None], self.only(column))[0][:, 0].clamp(-FAR, FAR)
        return torch.where(x <= lowest, -FAR, torch.where(x >= highest, FAR, z))

    def below(self, x: Tensor, column: int, family: int) -> Tensor:
        """Edges x (B, E) between cells of the grid → scores below which a family's values under x lie."""
        step, start, first, last = self.cells[column, family].unbind(-1)
        index = torch.floor((x - start) / step)
        z = self.map((start + (index + 0.5) * step)[..., None].nan_to_num(), self.only(column))[0][
            ..., 0
        ].clamp(-FAR, FAR)
        return torch.where(index < first, -FAR, torch.where(index >= last, FAR, z))

    def beyond(self, x: Tensor, column: int) -> Tensor:
        """Edges x (B, E+1) between cells of the grid → shares of what lies beyond the ends in the intervals (B, E)."""
        ends, half = self.ends[column], self.steps[column] / 2
        there = ends.abs() < NOWHERE
        total = torch.zeros_like(x[:, 1:])
        for side, sign in ((0, -1), (1, 1)):
            t = (sign * (x - ends[side]) - half).clamp(min=0)
            below = torch.where(there[side], t / (t + 1 / self.map.tails[column, side, 2]), 0.0)
            total = total + sign * below.diff(dim=-1) / there.sum()
        return total

    def _members(self, x: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """The place of x (…, m) on its grid and lattices, and whether it lies there, both (…, m, 1 + L)."""
        cells = self.cells.index_select(0, columns)
        step, start, first, last = cells.unbind(-1)
        index = torch.round((x[..., None] - start) / step)
        off = (start + index * step - x[..., None]).abs()
        grid = step[:, :1]
        slack = torch.where(grid == 0, SAME * step, grid * 0.51)
        return index.nan_to_num(), (off <= slack) & (index >= first) & (index <= last)

    def _edges(self, middle: Tensor, index: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores at the edges of cells (…, m, 1 + L) around their middles, and the differences of these."""
        step, _, first, last = self.cells.index_select(0, columns).unbind(-1)
        if not self.has_cells:
            return (torch.zeros_like(middle),) * 3
        half, middle = step / 2, middle.nan_to_num()
        places = torch.stack([middle - half, middle, middle + half]).transpose(-1, -2)
        z, log_slope = self.map(places, columns)
        low, high = (z[side].transpose(-1, -2).clamp(-FAR, FAR) for side in (0, 2))
        low = torch.where(index <= first, -FAR, low)
        high = torch.where(index >= last, FAR, high)
        width = high - low
        thin = 2 * half * log_slope[1].transpose(-1, -2).exp()
        return low, high, torch.where(width < FINE, thin, width)

    def _ends(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        lowest, highest = self.ends.index_select(0, columns).unbind(-1)
        return lowest, highest

    def _outside(self, x: Tensor, columns: Tensor) -> Tensor:
        """log of 1 / (w (1 + t / w)²) at t beyond an end, shared by two ends; over cells where there is a grid."""
        ends = self.ends.index_select(0, columns)
        step = self.steps.index_select(0, columns)
        half, there = step / 2, ends.abs() < NOWHERE
        share = there.sum(-1).clamp(min=1).double().log()
        found = torch.full_like(x, -math.inf)
        for side, sign in ((0, -1), (1, 1)):
            wide = 1 / self.map.tails.index_select(0, columns)[:, side, 2]
            t = sign * (x - ends[:, side])
            # The first cell beyond begins where the last one inside ends.
            near, far = (t - 2 * half).clamp(min=0) + wide, t.clamp(min=0) + wide
            log_p = torch.where(
                step == 0, wide.log() - 2 * far.log(), wide.log() + (2 * half).log() - near.log() - far.log()
            )
            found = torch.where(
                there[:, side] & torch.where(step == 0, t >= 0, t > half), log_p - share, found
            )
        return found


def _cells(column: Column, grid: tuple[float, float] | None) -> tuple[float, float, float, float]:
    """Step and offset of a grid or lattice, and the places of its first and last values in the support."""
    if grid is None:
        return 0.0, 0.0, -NOWHERE, NOWHERE
    step, start = grid
    first = -NOWHERE if column.lowest is None else math.ceil((column.lowest - start) / step - SAME)
    last = NOWHERE if column.highest is None else math.floor((column.highest - start) / step + SAME)
    return step, start, first, last
