"""The map of a number column, fitted to its training values: quantile knots, and tails of their own."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.domain.column import Column
from chainrule.layers.numbers.curve import KNOTS, Curve
from chainrule.layers.numbers.fit_tail import Tail, ended, geometric, open_ended

PIECE = 20  # rows between two knots, at least; with fewer the map follows chance
HEAVY = 10  # rows that make one cell of a grid a piece by itself
LEVELS = 30  # of quantiles, at most, to begin with
UNEVEN = (
    4.0  # a piece with twice as many rows to the unit in one half as in the other, and twice again, is halved
)
OUTERMOST = 0.03  # of the rows beyond the last knot, at least
MANY = 0.3  # of the values, on a lattice whose cells take the place of the grid's
APART = 1e-15  # knots are no closer than this share of the largest


def fit_curve(values: Tensor, column: Column) -> Curve:
    """T = logit F̂ of the body of a column.

    Args:
        values: (n,) float64, finite: training values that are no points of the column; n may be 0.
        column: of kind "number"; its grid, lattices and ends count.
    """
    values = values.sort().values
    if not len(values):
        values = _instead(column)
    width = _width(values, column)
    x, share = _quantiles(values) if width is None else _edges(values, width, column)
    x, share = _within(x, share, column, values)
    z = torch.logit(share)
    cell, scale, half = column.step and width, _scale(values, column), (column.step or 0) / 2
    left, right = x[0].item(), x[-1].item()
    # An end lies beyond the last knot, if only just.
    lowest = None if column.lowest is None else min(column.lowest - half, left - 1e-12 * scale)
    highest = None if column.highest is None else max(column.highest + half, right + 1e-12 * scale)
    lower = _tail(
        (left - values[values < left]).flip(0), None if lowest is None else left - lowest, cell, scale
    )
    upper = _tail(values[values > right] - right, None if highest is None else highest - right, cell, scale)
    steep = (lower.slope, upper.slope)
    ends = (lowest or 0.0, highest or 0.0)
    return Curve(x, z, _slopes(x, z, steep), (lower.shape, upper.shape), steep, ends)


def _width(values: Tensor, column: Column) -> float | None:
    """How wide the cells are in which values are counted: a lattice's, if it has many of them, else the grid's."""
    own = [
        step
        for step, start in column.lattices
        if ((torch.round((values - start) / step) * step + start - values).abs() < 1e-9 * step)
        .double()
        .mean()
        > MANY
    ]
    return max(own, default=column.step) if column.step else None


def _instead(column: Column) -> Tensor:
    """A value for a body of which training has none: in the middle of what is known of the column."""
    known = [*column.points, *(end for end in column.ends if end is not None)]
    return torch.tensor([(min(known) + max(known)) / 2 if known else 0.0], dtype=torch.float64)


def _scale(values: Tensor, column: Column) -> float:
    """How far values lie apart, of columns where no two differ too."""
    known = [*column.points, *values[[0, -1]].tolist()]
    spread = max(known) - min(known)
    return spread or abs(known[0]) / 10 or 1.0


def _quantiles(values: Tensor) -> tuple[Tensor, Tensor]:
    """Places (k,) and the share of the values below each, of numbers with a density."""
    n = len(values)
    count = min(max(n // PIECE, 2), LEVELS)
    outermost = max(1 / (count + 1), OUTERMOST)
    share = torch.linspace(outermost, 1 - outermost, count, dtype=torch.float64)
    while True:
        x = _quantile(values, share)
        middle = (share[1:] + share[:-1]) / 2
        at = _quantile(values, middle)
        halves = (at - x[:-1]).clamp(min=1e-300).log() - (x[1:] - at).clamp(min=1e-300).log()
        # Far modes have pieces that lie half in one of them and half between; halving finds the edge.
        halved = (halves.abs() > math.log(UNEVEN)) & (share.diff() * n >= 2 * PIECE)
        if not halved.any() or len(share) + int(halved.sum()) > KNOTS:
            break
        share = torch.cat([share, middle[halved]]).sort().values
    # The middle one stands for all that are equal, or differ in their last bits.
    least = APART * x.abs().max()
    group = torch.cat([x.new_zeros(1), (x.diff() > least).double()]).cumsum(0).long()
    size = torch.bincount(group).double()
    return tuple(torch.bincount(group, part) / size for part in (x, share))  # type: ignore[return-value]


def _quantile(values: Tensor, share: Tensor) -> Tensor:
    """Where shares (k,) of values (n,), rising, are below; `torch.quantile` takes 16 million values at most."""
    place = share * (len(values) - 1)
    low = place.floor().long()
    return torch.lerp(values[low], values[(low + 1).clamp(max=len(values) - 1)], place - low)


def _edges(values: Tensor, width: float, column: Column) -> tuple[Tensor, Tensor]:
    """Edges (k,) between the cells of a grid or its coarsest lattice, with some rows between two of them."""
    start = next((at for step, at in column.lattices if step == width), 0.0)
    index, counts = torch.round((values - start) / width).unique(return_counts=True)
    n = len(values)
    least, heavy = (max(rows, math.ceil(n / LEVELS)) for rows in (PIECE, HEAVY))
    # The upper edge of each cell that has rows; and the lower one, if there is nothing below it. The outermost ones
    # only of cells with many rows: else these are a tail's.
    gap = torch.cat([counts[:1] >= heavy, index.diff() > 1])
    edges = torch.cat([index + 0.5, index[gap] - 0.5])
    first = torch.cat([torch.zeros(len(index), dtype=torch.float64), torch.full_like(index[gap], 0.5)])
    order = edges.argsort()[: None if counts[-1] >= heavy else -1]
    edges, first = edges[order], first[order]
    # Off a lattice values may lie on an edge; half of these are below.
    at = edges * width + start
    below = (torch.searchsorted(values, at) + torch.searchsorted(values, at, right=True)) / 2 + first
    below = below.clamp(max=n - 0.5)
    kept, last = [], 0.0
    alone = F.pad(
        below.diff() >= heavy, (1, 1)
    )  # whether the rows before each edge, and after it, are of one cell
    for i, rows in enumerate(below.tolist()):
        if rows - last >= least or alone[i] or alone[i + 1]:
            kept.append(i)
            last = rows
    kept = kept or ([len(below) // 2] if len(below) else [])
    while len(kept) > KNOTS:  # pairs of edges around many heavy cells
        kept = kept[::2]
    if not kept:
        return (index[-1:] + 0.5) * width + start, torch.tensor([(n + 0.5) / (n + 1)], dtype=torch.float64)
    return edges[kept] * width + start, (below[kept] + 0.5) / (n + 1)


def _within(x: Tensor, share: Tensor, column: Column, values: Tensor) -> tuple[Tensor, Tensor]:
    """The knots that lie between the ends; one in the middle, or beside the one end, if none does."""
    half = (column.step or 0.0) / 2
    lowest = -math.inf if column.lowest is None else column.lowest - half
    highest = math.inf if column.highest is None else column.highest + half
    inside = (x > lowest) & (x < highest)
    if inside.any():
        return x[inside], share[inside]
    if math.isfinite(lowest) and math.isfinite(highest):
        middle = (lowest + highest) / 2 if highest > lowest else lowest
    else:
        scale = _scale(values, column)
        middle = lowest + scale if math.isfinite(lowest) else highest - scale
    return x.new_tensor([middle]), x.new_tensor([0.5])


def _tail(beyond: Tensor, end: float | None, cell: float | None, scale: float) -> Tail:
    """The tail of what lies beyond the last knot by `beyond` (n,), rising; `end` from there if there is one."""
    if end is not None:
        return ended(beyond, end)
    if cell and not (len(beyond) and beyond.mean() > 4 * cell):
        return geometric(torch.round(beyond / cell - 0.5), cell)
    return open_ended(beyond, scale)


def _slopes(x: Tensor, z: Tensor, steep: tuple[float, float]) -> Tensor:
    """∂z/∂x at the knots: those of the tails at both ends, else the geometric mean of the chords to either side."""
    slope = x.new_full((len(x),), math.sqrt(steep[0] * steep[1]))
    if len(x) > 1:
        chords = (z.diff() / x.diff()).log()
        slope[1:-1] = ((chords[1:] + chords[:-1]) / 2).exp()
        slope[0], slope[-1] = steep
    return slope
