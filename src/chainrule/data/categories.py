"""Cells ↔ codes: a table as the float64 array a model of its columns takes, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from chainrule.data.columns import EXACT, is_number, numbers
from chainrule.data.raw import reading
from chainrule.data.readers.arrow import as_arrow
from chainrule.domain.column import Column
from chainrule.errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 8  # categories that a message lists


def encode(
    source: Any,
    columns: Sequence[Column],
    where: str = "table",
    *,
    strict: bool = True,
    allow_missing: bool = False,
) -> np.ndarray:
    """The rows of a table as float64 (N, D): codes of categories, numbers, NaN where missing.

    Args:
        source: the path of a .csv or .parquet file, a pandas DataFrame or a pyarrow Table. Its columns are found
            by name, in any order. Text that spells a number is one where a number is expected.
        columns: of the model; D of them.
        where: what messages call the source.
        strict: whether to refuse columns that the model does not have, or else pass them over.
        allow_missing: whether any cell may be missing, and whole columns: the table is to be completed.

    Raises:
        DataError: on extra or missing columns, an unknown category, a cell that is not a number of its
            column's kind, or a missing one where the column has none.
    """
    table = as_arrow(source, text_columns(columns))
    known = [column.name for column in columns]
    extra = [name for name in table.column_names if name not in known]
    if extra and strict:
        raise DataError(f"{where}: the model has no column {extra[0]!r}; {nearest(extra[0], known)}")
    absent = [name for name in known if name not in table.column_names]
    if absent and not allow_missing:
        raise DataError(f"{where}: expected the columns {', '.join(known)}; without {', '.join(absent)}")
    x = np.full((table.num_rows, len(columns)), np.nan)
    for d, column in enumerate(columns):
        if column.name not in absent:
            x[:, d] = _encode(f"{where}: column {column.name!r}", table.column(column.name), column)
            gaps = np.isnan(x[:, d])
            if gaps.any() and not (column.missing or allow_missing):
                row = int(gaps.argmax())
                raise DataError(
                    f"{where}: column {column.name!r}: missing in row {row}, but the column has no missing cells"
                )
    return x


def decode(x: Tensor | np.ndarray, columns: Sequence[Column]) -> pd.DataFrame:
    """The inverse of `encode`: rows (N, D) as a frame of named columns.

    Categories come back as their values. Whole numbers are int64 and booleans bool, or pandas' Int64 and boolean
    where cells may be missing; reals are float64.
    """
    import pandas as pd  # slow to import, and only needed here

    rows = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
    return pd.DataFrame(
        {column.name: _decode(rows[:, d].astype(np.float64), column) for d, column in enumerate(columns)}
    )


def text_columns(columns: Sequence[Column]) -> dict[str, tuple]:
    """The columns whose categories are text, also where all cells of a file look like numbers: name → categories."""
    return {column.name: column.categories for column in columns if _has_text(column)}


def _has_text(column: Column) -> bool:
    return any(isinstance(category, str) for category in column.categories)


def _encode(where: str, cells: pa.ChunkedArray, column: Column) -> np.ndarray:
    if pa.types.is_nested(cells.type):
        raise DataError(f"{where}: expected numbers, text or booleans, got {cells.type}")
    if column.kind == "real" and is_number(cells.type):
        return numbers(where, cells)
    codes = {category: float(code) for code, category in enumerate(column.categories)}
    known: dict[Any, float | None] = {}  # each different value is read once
    x = np.full(len(cells), np.nan)
    with reading(where):  # text may be no UTF-8
        values = cells.to_pylist()
    for row, value in enumerate(values):
        if value is None or value != value:  # null or NaN
            continue
        if value not in known:
            known[value] = _code(value, codes) if codes else _number(value, column.kind)
        code = known[value]
        if code is None:
            at = f" in row {row}" if len(cells) > 1 else ""
            raise DataError(f"{where}: expected {_expected(column)}, got {value!r}{at}")
        x[row] = code
    return x


def _code(value: Any, codes: dict[Any, float]) -> float | None:
    """The code of a category; also of the text that spells a whole number or a boolean."""
    if value in codes or not isinstance(value, str):
        return codes.get(value)
    spelt = {"true": True, "false": False}.get(value.lower(), _number(value, "real"))
    return codes.get(spelt)


def _number(value: Any, kind: str) -> float | None:
    """A cell as a finite number, for integers a whole one that float64 holds; None if it is none."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    whole = kind != "integer" or (number.is_integer() and abs(number) <= EXACT)
    return number if math.isfinite(number) and whole else None


def _expected(column: Column) -> str:
    if not column.categories:
        return "a whole number" if column.kind == "integer" else "a number"
    names = ", ".join(map(repr, column.categories[:SHOWN]))
    return f"one of {names}{f', … ({column.levels} in all)' if len(column.categories) > SHOWN else ''}"


def _decode(values: np.ndarray, column: Column) -> Any:
    """Codes or numbers (N,) as what becomes a column of a frame."""
    import pandas as pd

    gaps = np.isnan(values)
    nullable = column.missing or bool(gaps.any())
    if column.kind == "real":
        return values
    cells = [
        None if gap else column.categories[int(value)] if column.categories else int(value)
        for value, gap in zip(values, gaps, strict=True)
    ]
    if _has_text(column):
        return cells
    logical = bool(column.categories) and isinstance(column.categories[0], bool)
    plain, holding_gaps = ("bool", "boolean") if logical else ("int64", "Int64")
    return pd.array(cells, dtype=holding_gaps if nullable else plain)
