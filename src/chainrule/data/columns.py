"""What the columns of a table are, inferred from its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chainrule.data.carried import Carried
from chainrule.data.cells import is_number, is_text, numbers, words
from chainrule.data.findings import Findings
from chainrule.data.grid import EXACT
from chainrule.data.keys import is_code, number_key, text_key
from chainrule.data.notes import counted
from chainrule.data.numeric import facts_of, is_whole, number_column
from chainrule.data.raw import reading
from chainrule.data.readers.arrow import as_arrow, place
from chainrule.data.spelling import WRITTEN
from chainrule.data.times import GRAINS, calendar_of, is_clock, spelling_of, to_numbers
from chainrule.domain.column import Column
from chainrule.errors import DataError, nearest

# What a user may say that a column is.
CHOICES = ("categorical", "number", "integer", "real", "date", "drop")
MOST_CODES, CODE_ROWS = 1000, 5  # of whole numbers that are names, and the fewest rows for each on average
FIRST = 10_000  # cells
FEWEST_PAIRS = 10  # rows from which two whole numbers are two categories
DAY = GRAINS["days"]


def infer_columns(
    source: Any, kinds: Mapping[str, str] | None = None, where: str | None = None
) -> tuple[Column, ...]:
    """The columns of a table to model; see `find_columns`.

    Raises:
        DataError: as `find_columns`; or if no column is left.
    """
    return tuple(find_columns(source, kinds, where).columns)


def find_columns(source: Any, kinds: Mapping[str, str] | None = None, where: str | None = None) -> Findings:
    """What the columns of a table are, from all of its cells, and why.

    - Numbers, also whole ones, are numbers, with the step, lattices, points and ends that the cells make evident; but
      two different whole numbers, and few of a column called id, are categories.
    - Dates, times and durations, also in text, are numbers of the coarsest grain that they are whole numbers of.
    - Other text and booleans are categorical, with other values to come for text. The categories are the sorted values
      that occur; a pandas categorical (a dictionary array in pyarrow) keeps its own, in its own order.
    - Ids, keys, row numbers, free text and columns without any cell are left out.

    Null and NaN are missing cells, and in a .csv what pyarrow reads as such (an empty cell, NA, N/A, NULL, …).

    Args:
        source: the path of a .csv or .parquet file, a pandas DataFrame or a pyarrow Table.
        kinds: column name → "categorical", "number", "integer" (of step 1), "real" (a density), "date" or "drop", over
            what is inferred.
        where: what messages call the source; its path by default.

    Raises:
        DataError: on a column of nested values or with an infinite one; on a name or kind in `kinds` that does not
            exist, or a kind that does not suit the cells; if no column is left.
    """
    table, kinds = as_arrow(source), kinds or {}
    where = where or place(source)
    for name, kind in kinds.items():
        if name not in table.column_names:
            raise DataError(f"{where}: no column {name!r}; {nearest(name, table.column_names)}")
        if kind not in CHOICES:
            raise DataError(
                f"{where}: column {name!r}: expected a kind of {', '.join(CHOICES)}, got {kind!r}"
            )
    found = Findings()
    for field, cells in zip(table.schema, table.columns, strict=True):
        _find(found, f"{where}: column {field.name!r}", field.name, cells, kinds.get(field.name))
        if field.name in found.left and kinds.get(field.name) != "drop":
            kept = len(found.columns) + len(found.carried)
            found.carried.append(Carried.of(field.name, kept, cells))
        written = (field.metadata or {}).get(WRITTEN, b"").decode()
        if written and found.columns and found.columns[-1].name == field.name:
            found.columns[-1] = replace(found.columns[-1], written=written)
    if not found.columns:
        name, reason = next(iter(found.left.items()))
        raise DataError(
            f"{where}: no column to model; column {name!r} is left out: {reason}; name a kind for one with --column"
        )
    return found


def _find(found: Findings, where: str, name: str, cells: pa.ChunkedArray, kind: str | None) -> None:
    """Take the column, or leave it out."""
    arrow = cells.type
    if kind == "drop":
        found.leave(name, "as asked")
    elif pc.all(cells.is_null(nan_is_null=True)).as_py():
        found.leave(name, "all cells are missing")
    elif pa.types.is_dictionary(arrow) or pa.types.is_boolean(arrow):
        _take_declared(found, where, name, cells, kind)
    elif pa.types.is_temporal(arrow) or (is_text(arrow) and kind != "categorical" and spelling_of(cells)):
        _take_times(found, where, name, cells, kind)
    elif is_text(arrow):
        _take_text(found, where, name, cells, kind)
    elif is_number(arrow):
        _take_numbers(found, where, name, cells, kind)
    elif pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow):
        raise DataError(f"{where}: expected text in UTF-8 or numbers, got bytes")
    else:
        raise DataError(f"{where}: expected numbers, text or booleans, got {arrow}; drop it or flatten it")


def _take_declared(found: Findings, where: str, name: str, cells: pa.ChunkedArray, kind: str | None) -> None:
    """Booleans, and categories that the source itself lists: no others can come, but the other boolean."""
    _check_kind(where, cells, kind, "categorical")
    spelling = ""
    if pa.types.is_dictionary(cells.type):
        with reading(where):  # text may be no UTF-8
            categories = cells.unify_dictionaries().chunk(0).dictionary.to_pylist()
        spelling = "ordered dictionary" if cells.type.ordered else "dictionary"
    else:
        categories = sorted(value for value in cells.unique().to_pylist() if value is not None)
    strange = next((value for value in categories if not isinstance(value, str | int | bool)), None)
    if strange is not None:
        raise DataError(f"{where}: expected categories of text, whole numbers or booleans, got {strange!r}")
    column = Column(name, "categorical", tuple(categories), cells.null_count > 0, spelling=spelling)
    if not spelling and len(categories) == 1:
        column = replace(column, other=True)
    found.take(column, ["booleans" if not spelling else f"the {len(categories)} that it declares"])


def _take_text(found: Findings, where: str, name: str, cells: pa.ChunkedArray, kind: str | None) -> None:
    _check_kind(where, cells, kind, "categorical")
    with reading(where):  # text may be no UTF-8
        categories = sorted(value for value in cells.unique().to_pylist() if value is not None)
    key = text_key(name, cells) if kind is None else None
    if key:
        found.leave(name, key)
        return
    column = Column(name, "categorical", tuple(categories), cells.null_count > 0, other=True)
    found.take(column, [counted(len(categories), "text"), "others may come"])


def _take_times(found: Findings, where: str, name: str, cells: pa.ChunkedArray, kind: str | None) -> None:
    _check_kind(where, cells, kind, "number", "integer", "real", "date")
    spelling = spelling_of(cells)
    if spelling is None:
        found.leave(name, f"{cells.type} in parts of a microsecond or of no fixed length")
        return
    values = to_numbers(cells, spelling)
    gaps = np.isnan(values)
    grain, written = spelling.split(": ", 1)
    kind = None if kind == "date" else kind
    lasts = written.startswith("duration")
    how: dict[str, Any] = {"kind": kind, "whole": True, "counted": lasts, "spelling": spelling}
    column = number_column(name, values[~gaps], gaps=bool(gaps.any()), **how)
    if is_clock(spelling):
        column = replace(column, lowest=0.0, highest=float(DAY // GRAINS[grain] - 1))
    column = replace(column, calendar=calendar_of(values[~gaps], spelling))
    beside = [f"nets also read {' and '.join(column.calendar)}"] if column.calendar else []
    found.take(column, [f"times ({written})", *facts_of(column, values[~gaps]), *beside])


def _take_numbers(found: Findings, where: str, name: str, cells: pa.ChunkedArray, kind: str | None) -> None:
    _check_kind(where, cells, kind, "categorical", "number", "integer", "real")
    whole = pa.types.is_integer(cells.type)
    if kind is None and (reason := _key(name, cells)):
        found.leave(name, reason)
        return
    values = numbers(where, cells)
    gaps = np.isnan(values)
    present = values[~gaps]
    if kind in ("categorical", "integer") and not is_whole(present):
        broken = ~gaps & ~((values == np.floor(values)) & (np.abs(values) <= EXACT))
        row = int(broken.argmax())
        raise DataError(f"{where}: {kind} needs whole numbers, got {values[row]} in row {row}")
    missing, written = bool(gaps.any()), str(cells.type)
    if kind == "categorical" or (kind is None and _are_codes(name, present)):
        categories = tuple(int(value) for value in np.unique(present))
        spelling = "" if written == "int64" else written
        column = Column(name, "categorical", categories, missing, other=True, spelling=spelling)
        found.take(column, [f"{len(categories):,} whole numbers that are codes, others may come"])
        return
    column = number_column(
        name, present, gaps=missing, kind=kind, whole=whole, single=written == "float", spelling=written
    )
    if written.startswith("uint") and column.lowest is None:
        column = replace(column, lowest=0.0)
    if written == column.default_type:
        column = replace(column, spelling="")
    found.take(column, facts_of(column, present))


def _key(name: str, cells: pa.ChunkedArray) -> str | None:
    """Why a column of numbers says which row it is, or cannot be a float64; None for another."""
    if cells.null_count or pa.types.is_decimal(cells.type):
        return None
    values = cells.to_numpy()
    if values.dtype.kind == "f":
        if np.isnan(values).any() or (values != np.floor(values)).any() or np.abs(values).max() > EXACT:
            return None
        values = values.astype(np.int64)
    key = number_key(name, values)
    if key is None and (int(values.max()) > EXACT or int(values.min()) < -EXACT):
        return "whole numbers beyond 2^53, which float64 would round"
    return key


def _are_codes(name: str, present: np.ndarray) -> bool:
    """Whether numbers are names: two different whole ones, or few of a column called id."""
    some = np.unique(present[:FIRST])  # mostly settles it
    if len(some) > (MOST_CODES if is_code(name) else 2) or not is_whole(present):
        return False
    distinct = np.unique(present)
    if len(distinct) == 2:
        return len(present) >= FEWEST_PAIRS or distinct.tolist() == [0, 1]
    return is_code(name) and 2 < len(distinct) <= min(MOST_CODES, len(present) / CODE_ROWS)


def _check_kind(where: str, cells: pa.ChunkedArray, kind: str | None, *suitable: str) -> None:
    if kind in (None, *suitable):
        return
    needs = {"categorical": "text, whole numbers or booleans", "date": "dates or times"}.get(
        str(kind), "numbers"
    )
    raise DataError(f"{where}: {kind} needs {needs}, its cells are {words(cells.type)}")
