"""Codes → cells: rows of a model of columns as a frame that looks like the table it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from chainrule.data.grid import as_fraction
from chainrule.data.times import from_numbers
from chainrule.domain.column import Column

if TYPE_CHECKING:
    import pandas as pd

# Arrow's names of numbers that differ from numpy's.
NUMPY = {"float": "float32", "double": "float64", "halffloat": "float16"}
CLOSE = 1e-6  # of a step, within which a drawn number is on the grid


def decode(x: Tensor | np.ndarray, columns: Sequence[Column], other: Any = None) -> pd.DataFrame:
    """The inverse of `encode`: rows (N, D) as a frame of named columns.

    Categories come back as their values, numbers with the decimals of their step, in the type that the table had where
    it holds them: whole numbers are int64 and booleans bool, or pandas' Int64 and boolean where cells may be missing.
    Times are spelt as they were.

    Args:
        x: the rows.
        columns: of the model.
        other: what stands for a category that the column does not list; None is a missing cell.
    """
    import pandas as pd  # slow to import, and only needed here

    rows = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
    cells = (_decode(rows[:, d].astype(np.float64), column, other) for d, column in enumerate(columns))
    return pd.DataFrame({column.name: part for column, part in zip(columns, cells, strict=True)})


def _decode(values: np.ndarray, column: Column, other: Any) -> Any:
    """Codes or numbers (N,) as what becomes a column of a frame."""
    if column.categories:
        return _categories(values, column, other)
    if column.kind == "real":
        return values
    if ": " in column.spelling:
        return from_numbers(values, column.spelling).to_pandas()
    return _typed(on_grid(values, column.step), column.spelling or column.default_type, column.missing)


def _categories(values: np.ndarray, column: Column, other: Any) -> Any:
    import pandas as pd

    known = np.array([*column.categories, other, None], dtype=object)
    codes = np.where(np.isnan(values), -1, values).astype(np.int64)
    cells = known[codes]
    if "dictionary" in column.spelling and other is None:
        return pd.Categorical(cells, list(column.categories), ordered=column.spelling.startswith("ordered"))
    if isinstance(column.categories[0], str) or (codes == len(column.categories)).any():
        return cells.tolist()
    gaps = codes < 0
    if isinstance(column.categories[0], bool):
        return pd.array(cells.tolist(), dtype="boolean" if column.missing or gaps.any() else "bool")
    numbers = np.where(gaps, np.nan, cells).astype(np.float64)
    return _typed(numbers, column.spelling.replace("dictionary", "") or "int64", column.missing)


def on_grid(values: np.ndarray, step: float | None) -> np.ndarray:
    """Numbers that are multiples of a step, but for the last digits, as these decimals; others as they are."""
    if step is None:
        return values
    count, scale = as_fraction(step)
    decimals = np.rint(values / step) * count / scale
    return np.where(np.abs(decimals - values) <= CLOSE * step, decimals, values)


def _typed(values: np.ndarray, kind: str, nullable: bool) -> Any:
    """Numbers (N,) in a type of arrow's if it holds them, or else as float64 or int64."""
    import pandas as pd

    dtype = np.dtype(NUMPY.get(kind, "float64" if kind.startswith("decimal") else kind))
    if dtype.kind == "f":
        same = dtype.type(values).astype(np.float64) if dtype.itemsize < 8 else values
        holds = np.allclose(same, values, 1e-2 if dtype.itemsize == 2 else 1e-6, equal_nan=True)
        return values.astype(dtype) if holds else values
    gaps = np.isnan(values)
    present = values[~gaps]
    if (present != np.floor(present)).any():
        return values
    limits = np.iinfo(dtype)
    if len(present) and (present.min() < limits.min or present.max() > limits.max):
        dtype = np.dtype(np.int64)
    whole = np.where(gaps, 0, values).astype(dtype)
    return pd.arrays.IntegerArray(whole, gaps) if nullable or gaps.any() else whole
