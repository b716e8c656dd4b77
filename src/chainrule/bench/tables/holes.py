"""Cells to hide, and rows to spoil: what imputation and anomaly scores are tried on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

MECHANISMS = ("mcar", "mar", "mnar")
HIDDEN = 0.2  # share of cells, on average
SWAPPED = 1 / 3  # share of the cells of a spoilt row


def holes(frame: pd.DataFrame, mechanism: str, seed: int) -> np.ndarray:
    """Which cells to hide (N, D), of those that are there; of each row at least one cell that is there stays.

    mcar: each with the same probability. mar: the odd columns are always seen, and a cell of another one is hidden more
    often the higher the rank of the first seen column. mnar: the higher the rank of the cell's own value; categories
    are ranked by their frequency, the rarest highest.
    """
    rng = np.random.default_rng(seed)
    ranks = np.stack([_ranks(cells) for _, cells in frame.items()], axis=1)
    chance = np.full(frame.shape, HIDDEN)
    if mechanism == "mar":
        chance = np.repeat(2 * HIDDEN * ranks[:, 1 % frame.shape[1], None], frame.shape[1], axis=1)
        chance[:, 1::2] = 0
    elif mechanism == "mnar":
        chance = 2 * HIDDEN * ranks
    there = frame.notna().to_numpy()
    hidden = (rng.random(frame.shape) < chance) & there
    bare = (there & ~hidden).sum(1) == 0
    hidden[bare, there[bare].argmax(1)] = False
    return hidden


def _ranks(cells: pd.Series) -> np.ndarray:
    """Ranks in [0, 1]; 0.5 where missing."""
    if cells.dtype.kind not in "iuf":
        cells = -cells.astype(object).map(cells.value_counts()).astype(float)
    return cells.rank(pct=True).fillna(0.5).to_numpy()


def spoilt(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same rows with a third of the cells of each, at least one, replaced by those of other rows."""
    rng = np.random.default_rng(seed)
    rows, columns = frame.shape
    count = max(1, round(SWAPPED * columns))
    chosen = np.argsort(rng.random((rows, columns)), axis=1) < count
    found = frame.copy()
    for d, name in enumerate(frame):
        others = frame[name].iloc[(np.arange(rows) + rng.integers(1, rows, rows)) % rows]
        found[name] = frame[name].where(~chosen[:, d], others.set_axis(frame.index))
    return found
