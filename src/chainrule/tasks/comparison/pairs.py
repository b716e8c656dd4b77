"""How columns go together, real beside drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from chainrule.tasks.comparison.cells import CATEGORY, Cells


@dataclass(frozen=True, eq=False)
class Pairs:
    """Associations of pairs of columns.

    Two numbers: the correlation of their ranks (Spearman), in [-1, 1]. A number and a category: the correlation ratio
    of the ranks (the root of the share of their variance that lies between categories), in [0, 1]. Two categories:
    Cramér's V, in [0, 1]. The last two are corrected for their bias by chance. Missing cells are left out.

    Attributes:
        names: of the columns; P of them.
        real, drawn: (P, P), NaN where too few cells are there.
        difference: the mean of |real - drawn| over pairs, of a half of the real rows and as many drawn ones.
        among_real: the same between this half and the other one.
    """

    names: tuple[str, ...]
    real: np.ndarray
    drawn: np.ndarray
    difference: float
    among_real: float

    @property
    def worst(self) -> tuple[str, str] | None:
        """The pair that differs most, if any can be compared."""
        gaps = np.nan_to_num(np.abs(self.real - self.drawn))
        a, b = np.unravel_index(gaps.argmax(), gaps.shape)
        return (self.names[min(a, b)], self.names[max(a, b)]) if gaps[a, b] else None


def compare_pairs(columns: Sequence[Cells], seed: int = 0) -> Pairs | None:
    """Compare the first part of each column, real rows (N,), with the second, drawn ones; None for a single column."""
    if len(columns) < 2:
        return None
    real, drawn = (np.stack([cells.parts[part] for cells in columns], axis=1) for part in (0, 1))
    levels = [len(cells.levels) if cells.kind == CATEGORY else 0 for cells in columns]
    rng = np.random.default_rng(seed)
    size, mixed = min(len(real) // 2, len(drawn)), rng.permutation(real)
    half, rest, others = (
        associations(rows, levels)
        for rows in (mixed[:size], mixed[size : 2 * size], rng.permutation(drawn)[:size])
    )
    above = np.triu_indices(len(columns), 1)

    def gap(a: np.ndarray, b: np.ndarray) -> float:
        differences = np.abs(a - b)[above]
        there = differences[~np.isnan(differences)]
        return float(there.mean()) if len(there) else float("nan")

    names = tuple(cells.name for cells in columns)
    whole = associations(real, levels), associations(drawn, levels)
    return Pairs(names, *whole, gap(half, others), gap(half, rest))


def associations(rows: np.ndarray, levels: Sequence[int]) -> np.ndarray:
    """The association of every pair of columns.

    Args:
        rows: (N, P), NaN where missing.
        levels: of each column the number of categories, whose codes it holds; 0 for numbers.

    Returns:
        (P, P), symmetric, 1 on the diagonal.
    """
    ranked = rows.copy()
    for d, count in enumerate(levels):
        if not count:
            there = ~np.isnan(rows[:, d])
            ranked[there, d] = rankdata(rows[there, d])
    found = np.eye(len(levels))
    for a, b in combinations(range(len(levels)), 2):
        there = ~np.isnan(ranked[:, [a, b]]).any(1)
        x, y = ranked[there, a], ranked[there, b]
        if len(x) < 3:
            value = np.nan
        elif levels[a] and levels[b]:
            value = _cramer(x.astype(int), y.astype(int), levels[a], levels[b])
        elif levels[a] or levels[b]:
            value = _ratio(x.astype(int), y) if levels[a] else _ratio(y.astype(int), x)
        else:
            value = np.corrcoef(x, y)[0, 1] if x.std() and y.std() else 0.0
        found[a, b] = found[b, a] = value
    return found


def _ratio(codes: np.ndarray, values: np.ndarray) -> float:
    """The correlation ratio, by the unbiased variances within categories and in all (Kelley 1935)."""
    counts, total = np.bincount(codes), values.var()
    free = len(values) - (counts > 0).sum()
    if not total or free <= 0:
        return 0.0
    means = np.bincount(codes, values) / counts.clip(1)
    within = ((values - means[codes]) ** 2).sum() / free
    return float(np.sqrt(max(0.0, 1 - within / (total * len(values) / (len(values) - 1)))))


def _cramer(a: np.ndarray, b: np.ndarray, rows: int, columns: int) -> float:
    """Cramér's V, corrected (Bergsma 2013)."""
    table = np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns)
    table = table[table.any(1)][:, table.any(0)]
    n, r, k = len(a), *table.shape
    expected = table.sum(1, keepdims=True) * table.sum(0) / n
    phi = ((table - expected) ** 2 / expected).sum() / n
    most = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(min(1.0, max(0.0, phi - (r - 1) * (k - 1) / (n - 1)) / most))) if most > 0 else 0.0
