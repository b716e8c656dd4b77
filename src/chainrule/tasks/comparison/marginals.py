"""Each column by itself, real beside drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.tasks.comparison.cells import CATEGORY, Cells

SPLITS = 10  # random halves whose distances are averaged
MOST_DECIMALS = 12  # of numbers that are rounded; those with more are taken for what a computation gave


@dataclass(frozen=True)
class Marginal:
    """One column; shares are of the cells that are not missing, and NaN where there are none.

    Attributes:
        name, kind: of the column.
        distance: between real and drawn cells, in [0, 1], 0 if they are distributed alike: the Kolmogorov–Smirnov
            distance of numbers (the largest difference of the two distribution functions), the total variation of
            categories (half the summed differences of shares). The mean over ten random halves of the real cells, each
            beside as many drawn ones.
        among_real: the same between each half and the other one, what chance alone makes of it.
        missing_real, missing_drawn: shares of missing cells.
        frequent: the most frequent real value.
        frequent_real, frequent_drawn: its shares.
        outside: share of drawn cells outside the real support: below the least or above the largest real value, with
            more decimals than any real one, or a category that no real row has.
    """

    name: str
    kind: str
    distance: float
    among_real: float
    missing_real: float
    missing_drawn: float
    frequent: str
    frequent_real: float
    frequent_drawn: float
    outside: float

    @property
    def ratio(self) -> float:
        """How many times as far drawn cells are from real ones as real ones from each other; 1 is best."""
        return self.distance / self.among_real if self.among_real else float("nan")


def marginal(cells: Cells, seed: int = 0) -> Marginal:
    """The first part of a column is real, the second drawn."""
    real, drawn = cells.present(0), cells.present(1)
    values, counts = np.unique(real, return_counts=True)
    frequent = values[counts.argmax()] if len(values) else np.nan
    distance = _variation if cells.kind == CATEGORY else _kolmogorov_smirnov
    to_drawn, among = _halves(real, drawn, distance, seed)
    return Marginal(
        name=cells.name,
        kind=cells.kind,
        distance=to_drawn,
        among_real=among,
        missing_real=_mean(np.isnan(cells.parts[0])),
        missing_drawn=_mean(np.isnan(cells.parts[1])),
        frequent=cells.spelled(frequent) if len(values) else "",
        frequent_real=_mean(real == frequent),
        frequent_drawn=_mean(drawn == frequent),
        outside=_mean(_outside(cells.kind, values, drawn)),
    )


def _halves(
    real: np.ndarray, drawn: np.ndarray, distance: Callable[..., float], seed: int
) -> tuple[float, float]:
    """The mean distance of a half of the real cells from as many drawn ones, and from as many of the other half."""
    size, rng = min(len(real) // 2, len(drawn)), np.random.default_rng(seed)
    if not size:
        return float("nan"), float("nan")
    found = []
    for _ in range(SPLITS):
        mixed, others = rng.permutation(real), rng.permutation(drawn)[:size]
        half, rest = mixed[:size], mixed[size : 2 * size]
        found.append((distance(half, others), distance(half, rest)))
    to_drawn, among = np.mean(found, axis=0)
    return float(to_drawn), float(among)


def _kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float:
    """As `scipy.stats.ks_2samp`, without its p-value."""
    values = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(cells), values, side="right") / len(cells) for cells in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _variation(a: np.ndarray, b: np.ndarray) -> float:
    levels = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(codes.astype(int), minlength=levels) / len(codes) for codes in (a, b)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _outside(kind: str, values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Which drawn cells lie outside the support of real ones, whose different values are given, sorted."""
    if kind == CATEGORY or not len(values):
        return ~np.isin(drawn, values)
    beyond = (drawn < values[0]) | (drawn > values[-1])
    rounded = (k for k in range(MOST_DECIMALS + 1) if (np.round(values, k) == values).all())
    decimals = next(rounded, None)
    return beyond if decimals is None else beyond | (np.round(drawn, decimals) != drawn)


def _mean(which: np.ndarray) -> float:
    return float(which.mean()) if len(which) else float("nan")
