"""Rows with columns that are in memory → one pyarrow table: frames of any library, rows as dictionaries, arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.data.notes import Notes, listed, plain
from chainrule.data.raw import reading
from chainrule.errors import DataError

FRAMES = "a DataFrame, a table of arrow's streams, a list of dictionaries, or an array of records or objects"


def is_frame(source: Any) -> bool:
    """Whether it has columns of their own kinds; a single column, such as pandas' Series, and numbers are an array."""
    if isinstance(source, np.ndarray):
        return bool(source.dtype.names) or (source.ndim == 2 and source.dtype.kind in "OUT")
    if isinstance(source, list):
        return bool(source) and all(isinstance(row, Mapping) for row in source)
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return hasattr(source, "columns") or hasattr(source, "schema")
    return _is_pandas(source) or _is_lazy(source)


def frame_table(source: Any, notes: Notes) -> pa.Table:
    """The table of what `is_frame`; of a pandas frame without its index.

    Raises:
        DataError: naming the column, if its cells are not of one kind; if it has no rows, or is not computed yet.
    """
    if _is_lazy(source):
        raise DataError(f"frame: expected {FRAMES}, got a {type(source).__name__}; collect it first")
    if isinstance(source, np.ndarray):
        names = source.dtype.names or [f"x{d}" for d in range(source.shape[1])]
        cells = [source[name] for name in names] if source.dtype.names else list(source.T)
        table = _table(names, cells)
    elif isinstance(source, list):
        names = list(dict.fromkeys(name for row in source for name in row))
        table = _table(names, [[row.get(name) for row in source] for name in names])
    elif _is_pandas(source):
        table = _table(source.columns, [source.iloc[:, d] for d in range(source.shape[1])])
    else:
        with reading("frame"):
            table = pa.table(source)
    if not table.num_columns or not table.num_rows:
        raise DataError(f"frame: holds no {'rows' if table.num_columns else 'columns'}")
    return table


def with_distinct_names(table: pa.Table, notes: Notes) -> pa.Table:
    """The same table; columns of the same name get numbers."""
    names = distinct(table.column_names)
    if changed := [new for old, new in zip(table.column_names, names, strict=True) if new != old]:
        notes.changed.append(
            f"names: columns without a name of their own are called {listed(map(plain, changed))}"
        )
        return table.rename_columns(names)
    return table


def distinct(names: Iterable[str]) -> list[str]:
    """Names that differ: a second "a" is "a_2", the third column without a name "column_3"."""
    every, found = list(names), []
    for d, name in enumerate(every):
        fresh = base = name or f"column_{d + 1}"
        number = 2
        while fresh in found or (fresh != name and fresh in every):
            fresh, number = f"{base}_{number}", number + 1
        found.append(fresh)
    return found


def _table(names: Iterable[Any], cells: Iterable[Any]) -> pa.Table:
    texts = [str(name) for name in names]
    columns = [_column(name, column) for name, column in zip(texts, cells, strict=True)]
    return pa.table(columns, names=texts) if texts else pa.table({})


def _column(name: str, cells: Any) -> Any:
    try:
        if isinstance(cells, np.ndarray):
            cells = (
                cells.tolist()
                if cells.dtype.kind in "OUTV" or cells.ndim > 1
                else np.ascontiguousarray(cells)
            )
        return pa.array(cells, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        kinds = sorted({type(cell).__name__ for cell in cells if cell is not None and cell == cell})
        got = (
            " and ".join(kinds)
            if len(kinds) > 1
            else f"{', '.join(kinds)} ({str(error).splitlines()[0][:80]})"
        )
        raise DataError(
            f"frame: column {plain(name)!r}: expected cells of one kind, got {got}; convert it first"
        ) from None


def _is_pandas(source: Any) -> bool:
    return type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "columns")


def _is_lazy(source: Any) -> bool:
    return type(source).__name__ == "LazyFrame"
