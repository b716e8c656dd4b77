"""Whether a classifier separates drawn rows from real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from chainrule.tasks.auroc import AUROC, auroc
from chainrule.tasks.comparison.cells import Cells
from chainrule.tasks.comparison.learner import boosted, stacked

FOLDS = 5
LEAST = 20  # rows of either kind


def two_sample(columns: Sequence[Cells], real: int = 0, seed: int = 0) -> AUROC | None:
    """The AUROC of gradient-boosted trees that separate drawn rows, part 1, from as many real ones.

    0.5 is best: nothing gives drawn rows away. Each row is scored by a classifier that was trained on other rows
    (five folds). Clearly below 0.5, drawn rows are copies of real ones. None for fewer than 20 rows of either kind.

    Args:
        columns: with both kinds of rows.
        real: which part is real.
        seed: of the choice of rows and folds.

    References:
        Lopez-Paz, Oquab (2017), "Revisiting classifier two-sample tests", ICLR.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rng = np.random.default_rng(seed)
    both = [rng.permutation(stacked(columns, part)) for part in (real, 1)]
    size = min(map(len, both))
    if size < LEAST:
        return None
    x = np.concatenate([rows[:size] for rows in both])
    drawn = np.repeat([False, True], size)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(boosted(columns), x, drawn, cv=folds, method="predict_proba")[:, 1]
    return auroc(torch.from_numpy(scores[~drawn]), torch.from_numpy(scores[drawn]))
