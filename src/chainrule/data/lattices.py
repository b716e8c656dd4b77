"""Coarser lattices that many more values of a column lie on than chance says: heaps on tens, endings of prices."""

from __future__ import annotations

import numpy as np

from chainrule.data.grid import as_fraction, on_decimals, step_of
from chainrule.data.values import Values

# Steps of lattices, in steps of the grid: of decimals, pairs and dozens, and of minutes and hours.
DECIMAL = (2, 12, *(lead * 10**power for power in range(7) for lead in (10, 5, 25)))
TIMES_OF_DAY = (15, 30, 60, 720, 1440, 3600, 86400)
MOST, RESIDUES = 4, 5
# A lattice has this many different values, the two most frequent of which do not make it one; this share of the cells;
# and so much more than its neighbours.
DISTINCT, SPIKES, LEAST_SHARE, LEAST_CELLS, TIMES, DEVIATIONS = 6, 2, 0.05, 10, 1.5, 6
# Beside a density: its share of the cells, its decimals at most, and their share of those of more decimals.
LEAST_ROUNDED, FEW_DECIMALS, NEARLY = 0.1, 4, 0.98
MOST_PLACES = 100_000  # that a lattice has within the range
WEEK, WEEKS = 7, 5  # days, and the fewest weeks in which a weekday can stand out


def lattices_of(
    values: Values, step: float | None, *, single: bool = False, timed: bool = False
) -> list[tuple[float, float]]:
    """(step, offset) of the lattices, at most four, the coarsest first.

    A lattice is one if its values occur 1.5 times as often as values between them, close by, on the grid and on every
    lattice finer than it. Where there is no grid, values of few decimals make one beside the density.

    Args:
        values: of the column.
        step: of its grid.
        single: whether they are float32.
        timed: whether they are times, heaped on hours.
    """
    if step is not None:
        units = Values(np.rint(values.values / step).astype(np.int64), values.counts)
        ratios = sorted({*DECIMAL, *(TIMES_OF_DAY if timed else ())}, reverse=True)
        count, scale = as_fraction(step)
        return [
            (ratio * count / scale, at * count / scale) for ratio, at in _heaps(units, values.total, ratios)
        ]
    rounded = _rounded(values, single)
    own = None if rounded is None else step_of(rounded.values, single)
    if rounded is None or own is None:
        return []
    return [*lattices_of(rounded, own, single=single), (own, 0.0)][-MOST:]


def weekdays_of(values: Values) -> list[tuple[float, float]]:
    """(7, offset) of the weekdays, of days since 1970, that have far more cells than the rarest weekday.

    So of business days five are lattices, of weekly data one, and of days that are alike none.
    """
    counts = np.bincount((values.values % WEEK).astype(np.int64), values.counts, minlength=WEEK)
    if values.values[-1] - values.values[0] < WEEK * WEEKS:
        return []
    rarest, enough = counts.min(), max(LEAST_CELLS, LEAST_SHARE * values.total)
    often = counts >= np.maximum(TIMES * rarest, rarest + max(enough, DEVIATIONS * max(rarest, 1) ** 0.5))
    week = (4, 5, 6, 0, 1, 2, 3)  # from Monday on; day 0 was a Thursday
    return [(float(WEEK), float(offset)) for offset in week if often[offset]]


def _rounded(values: Values, single: bool) -> Values | None:
    """Values of few decimals where there is no grid, if they are many; the decimals are those that nearly all have."""
    parts = []
    for decimals in range(FEW_DECIMALS + 1):
        counts = on_decimals(values.values, decimals, single)
        if counts is not None:
            parts.append(values.where(~np.isnan(counts)))
    most = max((part.total for part in parts), default=0)
    rounded = next((part for part in parts if part.total >= NEARLY * most), None)
    if rounded is None or len(rounded.values) < DISTINCT:
        return None
    usual = np.sort(rounded.counts)[:-SPIKES].sum()
    return rounded if usual >= max(LEAST_CELLS, LEAST_ROUNDED * values.total) else None


def _heaps(units: Values, total: int, steps: list[int]) -> list[tuple[int, int]]:
    """(ratio, residue) of lattices among whole multiples of the grid."""
    found: list[tuple[int, int]] = []
    if len(units.values) < DISTINCT:
        return found
    span = int(units.values[-1] - units.values[0])
    ratios = [ratio for ratio in steps if span / MOST_PLACES <= ratio <= span / (DISTINCT - 1)]
    free = np.ones(len(units.values), bool)
    for ratio in ratios:
        for residue in _residues(units, ratio, free):
            on = units.values % ratio == residue
            if len(found) < MOST and _stands_out(units, ratio, residue, on & free, total, ratios):
                found.append((ratio, residue))
                free &= ~on
    return found


def _residues(units: Values, ratio: int, free: np.ndarray) -> list[int]:
    """Those that could stand out: round numbers on any lattice, endings on one of a power of ten."""
    kept = units.where(free)
    residues, place = np.unique(kept.values % ratio, return_inverse=True)
    weights = np.bincount(place, kept.counts)
    often = weights >= max(LEAST_CELLS, LEAST_SHARE * units.total, TIMES * kept.total / ratio)
    endings = ratio in (10, 100, 1000, 10000)
    order = [int(residues[i]) for i in np.argsort(-weights, kind="stable") if often[i]]
    return [residue for residue in order if endings or residue == 0][:RESIDUES]


def _stands_out(
    units: Values, ratio: int, residue: int, mine: np.ndarray, total: int, ratios: list[int]
) -> bool:
    """Whether values on a lattice are more than those beside them, also without the two most frequent."""
    own = units.where(mine)
    if len(own.values) < DISTINCT or own.total < max(LEAST_CELLS, LEAST_SHARE * total):
        return False
    first = units.values[0] + (residue - units.values[0]) % ratio
    places = np.arange(first, units.values[-1] + 1, ratio)
    usual = np.argsort(-own.counts, kind="stable")[SPIKES:]
    places = places[~np.isin(places, np.delete(own.values, usual))]
    observed = int(own.counts[usual].sum())
    low = np.maximum(places - ratio + 1, units.values[0])
    high = np.minimum(places + ratio - 1, units.values[-1])
    for finer in (*(f for f in ratios if f < ratio and ratio % f == 0), 1):
        beside = (units.values % finer == residue % finer) & (units.values % ratio != residue)
        cells = (high - places) // finer + (places - low) // finer
        expected = float((units.where(beside).between(low, high) / np.maximum(cells, 1)).sum())
        least = max(LEAST_SHARE * total, DEVIATIONS * max(expected, 1) ** 0.5)
        if observed < TIMES * expected or observed - expected < least:
            return False
    return True
