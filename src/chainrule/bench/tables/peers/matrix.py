"""Mixed tables for peers that take matrices of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd


class Matrix:
    """Numbers standardised, categories one-hot, or their codes; missing cells NaN.

    Args:
        frame: the training rows.
        codes: whether a category is one column of codes and numbers stay as they are.
    """

    def __init__(self, frame: pd.DataFrame, *, codes: bool = False) -> None:
        self.frame, self.codes = frame[:0], codes
        self.categories = {
            name: list(cells.cat.categories)
            for name, cells in frame.items()
            if isinstance(cells.dtype, pd.CategoricalDtype)
        }
        numbers = frame.drop(columns=list(self.categories)).astype(float)
        self.centre, self.scale = numbers.mean(), numbers.std().replace(0, 1).fillna(1)

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Rows (N, P) of floats."""
        parts = []
        for name, cells in frame.items():
            if name not in self.categories:
                values = cells.to_numpy(float)
                parts.append(values if self.codes else (values - self.centre[name]) / self.scale[name])
                continue
            codes = cells.cat.codes.to_numpy(float)
            codes[codes < 0] = np.nan
            if self.codes:
                parts.append(codes)
            else:
                levels = range(len(self.categories[name]))
                parts += [np.where(np.isnan(codes), np.nan, codes == level) for level in levels]
        return np.stack(parts, axis=1)

    def decode(self, rows: np.ndarray) -> pd.DataFrame:
        """The inverse; of one-hot columns the largest is taken, codes and whole numbers are rounded."""
        columns, d = {}, 0
        for name, cells in self.frame.items():
            if name not in self.categories:
                values = rows[:, d] if self.codes else rows[:, d] * self.scale[name] + self.centre[name]
                columns[name] = values.round().astype(cells.dtype) if cells.dtype.kind in "iu" else values
                d += 1
                continue
            count = len(self.categories[name])
            if self.codes:
                codes, width = rows[:, d].round().clip(0, count - 1).astype(int), 1
            else:
                codes, width = rows[:, d : d + count].argmax(1), count
            columns[name] = pd.Categorical.from_codes(codes, dtype=cells.dtype)
            d += width
        return pd.DataFrame(columns)
