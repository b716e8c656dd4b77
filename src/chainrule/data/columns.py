"""What the columns of a table are, inferred from its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.data.raw import reading
from chainrule.data.readers.arrow import as_arrow, place
from chainrule.data.spelling import WRITTEN
from chainrule.domain.column import KINDS, Column
from chainrule.errors import DataError, nearest

# Whole numbers of at most this many different values are categories: grades, counts of rooms, codes.
FEW_VALUES = 20
# The largest whole number up to which float64 holds every one.
EXACT = 1 << 53


def infer_columns(
    source: Any, kinds: Mapping[str, str] | None = None, where: str | None = None
) -> tuple[Column, ...]:
    """The columns of a table, from all of its cells.

    Text, booleans and pandas categoricals are categorical. Whole numbers, also those that missing cells have
    turned into floats, are categorical if at most 20 different ones occur, else integer. Other numbers are
    real. The categories are the sorted values that occur; a pandas categorical (a dictionary array in pyarrow)
    keeps its own, in its own order. Null, NaN and what pyarrow reads as such in a .csv (an empty cell, NA, N/A,
    NULL, NaN, …) are missing cells.

    Args:
        source: the path of a .csv or .parquet file, a pandas DataFrame or a pyarrow Table.
        kinds: column name → "categorical", "integer" or "real", over what is inferred.
        where: what messages call the source; its path by default.

    Raises:
        DataError: on a column of dates, of nested values, without any cell, or with an infinite one; on a name
            or kind in `kinds` that does not exist, or a kind that does not suit the cells.
    """
    table, kinds = as_arrow(source), kinds or {}
    where = where or place(source)
    for name, kind in kinds.items():
        if name not in table.column_names:
            raise DataError(f"{where}: no column {name!r}; {nearest(name, table.column_names)}")
        if kind not in KINDS:
            raise DataError(f"{where}: column {name!r}: expected a kind of {', '.join(KINDS)}, got {kind!r}")
    return tuple(
        replace(
            _infer(f"{where}: column {field.name!r}", field.name, cells, kinds.get(field.name)),
            written=(field.metadata or {}).get(WRITTEN, b"").decode(),
        )
        for field, cells in zip(table.schema, table.columns, strict=True)
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether cells of an arrow type are text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_number(kind: pa.DataType) -> bool:
    """Whether cells of an arrow type are numbers; booleans are not."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def numbers(where: str, cells: pa.ChunkedArray) -> np.ndarray:
    """Cells of numbers as float64 (N,), NaN where missing.

    Raises:
        DataError: on infinity, with its row; on a whole number that float64 does not hold.
    """
    with reading(where):
        values = cells.cast(pa.float64()).to_numpy()
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise DataError(f"{where}: expected finite numbers, got {values[row]} in row {row}")
    return values


def _infer(where: str, name: str, cells: pa.ChunkedArray, kind: str | None) -> Column:
    arrow = cells.type
    if cells.null_count == len(cells):
        raise DataError(f"{where}: all cells are missing; drop the column")
    if is_number(arrow):
        return _of_numbers(where, name, numbers(where, cells), kind)
    if pa.types.is_temporal(arrow):
        raise DataError(
            f"{where}: dates and times are not supported ({arrow}); drop it or convert it to a number"
        )
    missing = cells.null_count > 0
    if pa.types.is_dictionary(arrow):
        with reading(where):  # text may be no UTF-8
            categories = cells.unify_dictionaries().chunk(0).dictionary.to_pylist()
    elif is_text(arrow) or pa.types.is_boolean(arrow):
        with reading(where):
            categories = sorted(value for value in cells.unique().to_pylist() if value is not None)
    elif pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow):
        raise DataError(f"{where}: expected text in UTF-8 or numbers, got bytes")
    else:
        raise DataError(f"{where}: expected numbers, text or booleans, got {arrow}; drop it or flatten it")
    if kind not in (None, "categorical"):
        raise DataError(f"{where}: {kind} needs numbers, its cells are {_words(arrow)}")
    strange = next((value for value in categories if not isinstance(value, str | int | bool)), None)
    if strange is not None:
        raise DataError(f"{where}: expected categories of text, whole numbers or booleans, got {strange!r}")
    return Column(name, "categorical", tuple(categories), missing)


def _of_numbers(where: str, name: str, values: np.ndarray, kind: str | None) -> Column:
    """The column of numbers (N,), NaN where missing."""
    gaps = np.isnan(values)
    missing, present = bool(gaps.any()), values[~gaps]
    if not len(present):
        raise DataError(f"{where}: all cells are missing; drop the column")
    broken = ~gaps & ((values != np.floor(values)) | (np.abs(values) > EXACT))
    distinct = np.unique(present)
    if kind is None:
        few = len(distinct) <= FEW_VALUES
        kind = "real" if broken.any() else "categorical" if few else "integer"
    if kind == "real":
        return Column(name, "real", missing=missing)
    if broken.any():
        row = int(broken.argmax())
        raise DataError(f"{where}: {kind} needs whole numbers, got {values[row]} in row {row}")
    if kind == "integer":
        return Column(name, "integer", missing=missing)
    return Column(name, "categorical", tuple(int(value) for value in distinct), missing)


def _words(arrow: pa.DataType) -> str:
    if pa.types.is_dictionary(arrow):
        return "categories"
    return "booleans" if pa.types.is_boolean(arrow) else "text"
