"""Whether what is learnt from drawn rows holds for real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.tasks.comparison.cells import CATEGORY, Cells
from chainrule.tasks.comparison.learner import boosted, stacked

MOST_ROWS = 5_000  # to train on
CLASSES = 10  # categories predicted; those that are rarer are one class
LEAST = 20  # rows to train on, and to test on


@dataclass(frozen=True)
class Usefulness:
    """How well one column is predicted from all the others, on real rows that no classifier was trained on.

    A category is predicted itself, of a number whether it lies above the median of the real training rows.

    Attributes:
        name: of the column.
        real, drawn: accuracy in [0, 1] of a classifier that was trained on real rows, and on as many drawn ones.
        chance: accuracy of the class most frequent in the real training rows.
    """

    name: str
    real: float
    drawn: float
    chance: float

    @property
    def ratio(self) -> float:
        """Trained on drawn rows over trained on real ones; 1 and above is best."""
        return self.drawn / self.real if self.real else float("nan")


def usefulness(columns: Sequence[Cells], target: int, seed: int = 0) -> Usefulness | None:
    """Predict one column.

    Args:
        columns: their parts are real rows to test on, drawn ones, and real ones to train on.
        target: which column.
        seed: of the choice of rows.

    Returns:
        None if it has one class, or for fewer than 20 rows.
    """
    if len(columns) < 2:
        return None
    rest = [cells for d, cells in enumerate(columns) if d != target]
    classes = [_classes(columns[target], part) for part in range(3)]
    there = [~np.isnan(each) for each in classes]
    test, drawn, train = ((stacked(rest, part)[there[part]], classes[part][there[part]]) for part in range(3))
    size = min(len(train[1]), len(drawn[1]), MOST_ROWS)
    values, counts = np.unique(train[1], return_counts=True)
    if min(size, len(test[1])) < LEAST or len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    of_real, of_drawn = (
        _accuracy(rest, x[chosen], y[chosen], test)
        for x, y in (train, drawn)
        for chosen in [rng.permutation(len(y))[:size]]
    )
    chance = float((test[1] == values[counts.argmax()]).mean())
    return Usefulness(columns[target].name, of_real, of_drawn, chance)


def _accuracy(columns: Sequence[Cells], x: np.ndarray, y: np.ndarray, test: tuple) -> float:
    """The accuracy on test rows and classes of what is learnt from others; a single class is all that it can answer."""
    if (y == y[0]).all():
        return float((test[1] == y[0]).mean())
    return float(boosted(columns).fit(x, y).score(*test))


def _classes(cells: Cells, part: int) -> np.ndarray:
    """The class of each row (N,), NaN where missing."""
    values, known = cells.parts[part], cells.present(2)
    if cells.kind == CATEGORY or not len(known):
        return np.minimum(values, CLASSES - 1)
    median = np.median(known)
    above = values > median if median < known.max() else values >= median  # most of them may be the largest
    return np.where(np.isnan(values), np.nan, above)
