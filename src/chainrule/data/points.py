"""Values of a column that occur far more often than what lies about them explains: zeros, caps, sentinels."""

from __future__ import annotations

import numpy as np

from chainrule.data.values import Values

MOST = 5
FEW = 12  # different values, each compared to the others; where there is no grid all of them are points
LEAST_CELLS, LEAST_SHARE, TIMES, DEVIATIONS = 10, 0.005, 4, 5
LONE = 3  # times that the only negative value occurs as often as the least other
TRIED = 50
NEIGHBOURS = 5  # cells, or values of a density, next to a value that say how often it should occur


def points_of(values: Values, step: float | None, lattices: list[tuple[float, float]]) -> tuple[float, ...]:
    """The values that occur at least four times as often as the cells next to them let expect, at most five.

    On a grid the expectation is that of the neighbours, continued where they rise towards the value, so that a peak or
    an end of a plain distribution is no point. Of a density any value that repeats is one, unless its neighbours do.
    """
    few = len(values.values) <= FEW
    if step is None and few and values.total >= 3 * len(values.values):
        return tuple(values.values.tolist())
    least = max(LEAST_CELLS, LEAST_SHARE * values.total)
    order = [i for i in np.argsort(-values.counts, kind="stable")[:TRIED] if values.counts[i] >= least]
    found: list[int] = []
    for i in order:
        value = float(values.values[i])
        expected = _expected(values, value, step, lattices)
        if few:
            expected = max(expected, _repeats(values.where(values.values != value), value))
        enough = TIMES * expected + DEVIATIONS * expected**0.5
        if i == 0 and value < 0 <= values.values[1]:
            enough = min(enough, LONE * values.counts[1])
        if values.counts[i] >= enough:
            found.append(int(i))
    if step is not None and len(found) > MOST:  # heaps, unless some are far above the rest
        found = [i for i in found if values.counts[i] >= TIMES * values.counts[found[MOST]]]
    return tuple(sorted(values.values[found[:MOST]].tolist()))


def _expected(values: Values, value: float, step: float | None, lattices: list[tuple[float, float]]) -> float:
    """How often a value should occur by those of its own lattice to its left and to its right."""
    width, others = step, np.ones(len(values.values), bool)
    for lattice in lattices:
        on = on_lattice(values.values, lattice)
        if on[np.searchsorted(values.values, value)]:
            width, others = lattice[0], others & on
            break
        others &= ~on
    others &= values.values != value
    if values.counts[others].sum() < NEIGHBOURS:
        width, others = step, values.values != value
    rest = values.where(others)
    if width is None:
        return _repeats(rest, value)
    return max(_side(rest, value, width), _side(Values(-rest.values[::-1], rest.counts[::-1]), -value, width))


def _repeats(rest: Values, value: float) -> float:
    """How often the values next to one occur, on the side where that is more."""
    at = int(np.searchsorted(rest.values, value))
    sides = rest.counts[max(at - NEIGHBOURS, 0) : at], rest.counts[at : at + NEIGHBOURS]
    return max(float(np.mean(side)) if len(side) else 0.0 for side in sides)


def _side(rest: Values, value: float, width: float) -> float:
    """Cells per width just below a value; rising towards it, they go on rising."""
    below = rest.where(rest.values < value)
    if not len(below.values):
        return 0.0
    far = int(np.searchsorted(np.cumsum(below.counts[::-1]), NEIGHBOURS))
    reach = max(float(value - below.values[::-1][min(far, len(below.values) - 1)]), width)
    near = float(below.between(value - reach * (1 + 1e-9), value)) * width / reach
    next_to = float(below.between(value - 2 * reach, value - reach * (1 + 1e-9))) * width / reach
    return near * min(max(near / next_to, 1), TIMES) if next_to else near


def on_lattice(values: np.ndarray, lattice: tuple[float, float]) -> np.ndarray:
    """Which values are on it, (N,); decimals as float64 has them."""
    step, offset = lattice
    near = offset + np.rint((values - offset) / step) * step
    return np.abs(near - values) <= 1e-9 * np.maximum(np.abs(values), step)
