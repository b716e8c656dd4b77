"""The classifier that comparisons use: gradient-boosted trees over the cells of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule.tasks.comparison.cells import CATEGORY, Cells

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

MOST_LEVELS = 250  # categories the trees tell apart; those that are rarer are one


def stacked(columns: Sequence[Cells], part: int) -> np.ndarray:
    """The rows of one part (N, P) for the classifier, NaN where missing."""
    return np.stack(
        [
            np.minimum(cells.parts[part], MOST_LEVELS) if cells.kind == CATEGORY else cells.parts[part]
            for cells in columns
        ],
        axis=1,
    )


def boosted(columns: Sequence[Cells]) -> HistGradientBoostingClassifier:
    """An untrained classifier of such rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=50,
        learning_rate=0.15,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        early_stopping=False,
        categorical_features=[cells.kind == CATEGORY for cells in columns],
        random_state=0,
    )
