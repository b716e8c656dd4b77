"""Whether drawn rows are copies of real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.tasks.comparison.cells import CATEGORY, Cells

MOST_QUERIES, MOST_ROWS = 2_000, 10_000  # rows whose nearest one is searched; rows among which
AT_ONCE = 200
CLOSE = 0.05  # share of held-out rows that are called close to a known one


@dataclass(frozen=True, eq=False)
class Privacy:
    """Drawn rows beside real held-out ones, both compared with the real rows that the generator may know.

    Where no rows are held out, each real row is compared with all the others instead.

    The distance of two rows is the mean over columns of: the share of real values between two numbers; 0 or 1 for
    equal and different categories, and where one cell is missing. It lies in [0, 1].

    Attributes:
        known, held, drawn: numbers of rows compared.
        copies, copies_held: shares of drawn, and of held-out rows, that equal a known row in every cell.
        nearest, nearest_held: distances to the closest known row, (drawn,) and (held,).
        closer: share of drawn rows that are closer to a known row than to any of equally many held-out ones; 0.5 if
            nothing was memorised. None unless the known rows are those trained on.
    """

    known: int
    held: int
    drawn: int
    copies: float
    copies_held: float
    nearest: np.ndarray
    nearest_held: np.ndarray
    closer: float | None

    @property
    def close(self) -> float:
        """Share of drawn rows that are closer to a known row than all but 5 % of held-out rows; 0.05 is expected."""
        return float((self.nearest < np.quantile(self.nearest_held, CLOSE)).mean())


def privacy(columns: Sequence[Cells]) -> Privacy:
    """Search the closest known row of each drawn one, and of each held-out one.

    Args:
        columns: their parts are real rows, drawn ones, and those that the generator was trained on, in random order.
            Without the last the real rows are the known ones, and none is held out.
    """
    trained_on = len(columns[0].parts) == 3
    known = 2 if trained_on else 0
    rows = [np.stack(part, axis=1) for part in zip(*(cells.parts for cells in columns), strict=True)]
    scaled = [_scaled(columns, part, rows[known])[:MOST_ROWS] for part in rows]
    numeric = np.array([cells.kind != CATEGORY for cells in columns])
    drawn, held = scaled[1][:MOST_QUERIES], scaled[0][:MOST_QUERIES]
    closer = None
    if trained_on:
        size = min(len(scaled[known]), len(scaled[0]))
        to_known, to_held = (nearest_rows(drawn, scaled[part][:size], numeric) for part in (known, 0))
        closer = float((to_known < to_held).mean() + (to_known == to_held).mean() / 2)
    return Privacy(
        len(scaled[known]),
        len(held),
        len(drawn),
        _copies(rows[1], rows[known]),
        _copies(rows[0], rows[known], own=not trained_on),
        nearest_rows(drawn, scaled[known], numeric),
        nearest_rows(held, scaled[known], numeric, own=not trained_on),
        closer,
    )


def nearest_rows(
    rows: np.ndarray, among: np.ndarray, numeric: np.ndarray, *, own: bool = False
) -> np.ndarray:
    """The distance of each row to the closest of others.

    Args:
        rows: (N, P); numbers in [0, 1], codes of categories, NaN where missing.
        among: (M, P).
        numeric: (P,) which columns are numbers.
        own: whether the rows are the first N of the others, and none is compared with itself.

    Returns:
        (N,) in [0, 1].
    """
    found = np.empty(len(rows))
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        total = np.zeros((len(part), len(among)))
        for d, number in enumerate(numeric):
            a, b = part[:, d, None], among[None, :, d]
            apart = np.abs(a - b) if number else (a != b).astype(float)
            gaps = np.isnan(a) | np.isnan(b)
            total += np.where(gaps, np.isnan(a) != np.isnan(b), apart) if gaps.any() else apart
        if own:
            total[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found[start : start + AT_ONCE] = total.min(1) / len(numeric)
    return found


def _scaled(columns: Sequence[Cells], rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Rows with each number as the share of known ones below it, those equal to it counting half."""
    found = rows.copy()
    for d, cells in enumerate(columns):
        values = np.sort(known[~np.isnan(known[:, d]), d])
        if cells.kind != CATEGORY and len(values):
            ends = (np.searchsorted(values, rows[:, d], side=side) for side in ("left", "right"))
            found[:, d] = np.where(np.isnan(rows[:, d]), np.nan, sum(ends) / (2 * len(values)))
    return found


def _copies(rows: np.ndarray, known: np.ndarray, *, own: bool = False) -> float:
    """The share of rows that equal a known one, missing cells too; if they are `own`, another than itself."""
    counts = Counter(row.tobytes() for row in np.nan_to_num(known, nan=np.inf) + 0.0)
    return float(np.mean([counts[row.tobytes()] > own for row in np.nan_to_num(rows, nan=np.inf) + 0.0]))
