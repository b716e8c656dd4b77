"""Cells → codes: a table as the float64 array that a model of its columns takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.data.cells import is_number, is_text, numbers
from chainrule.data.grid import EXACT
from chainrule.data.notes import Notes, counted, listed
from chainrule.data.raw import reading
from chainrule.data.readers.arrow import as_arrow
from chainrule.data.times import to_numbers
from chainrule.domain.column import Column
from chainrule.errors import DataError, nearest

SHOWN = 8  # categories that a message lists


def encode(
    source: Any,
    columns: Sequence[Column],
    where: str = "table",
    *,
    strict: bool = False,
    allow_missing: bool = False,
    notes: Notes | None = None,
) -> np.ndarray:
    """The rows of a table as float64 (N, D): codes of categories, numbers, NaN where missing.

    A category that the column does not list has the code after the last one, where the column says that others may
    come. A column that the table lacks is missing throughout, where the column may have gaps.

    Args:
        source: the path of a .csv or .parquet file, a pandas DataFrame or a pyarrow Table. Its columns are found
            by name, in any order. Text that spells a number is one where a number is expected.
        columns: of the model; D of them.
        where: what messages call the source.
        strict: whether to refuse columns that the model does not have, and categories never seen; or else to pass over
            the ones and take the others.
        allow_missing: whether any cell may be missing, and whole columns: the table is to be completed.
        notes: takes what was passed over, missing or never seen.

    Raises:
        DataError: on extra columns and new categories if `strict`; on a missing column without gaps, a new category
            where there are no others, a cell that is not a number, or a missing one where the column has none.
    """
    table, notes = as_arrow(source, text_columns(columns)), notes or Notes()
    known = [column.name for column in columns]
    extra = [name for name in table.column_names if name not in known]
    if extra and strict:
        raise DataError(f"{where}: the model has no column {extra[0]!r}; {nearest(extra[0], known)}")
    absent = [column for column in columns if column.name not in table.column_names]
    needed = [column.name for column in absent if not (column.missing or allow_missing)]
    if needed:
        raise DataError(
            f"{where}: expected the columns {', '.join(known)}; "
            f"without {', '.join(needed)}, which had no gaps in training"
        )
    if extra:
        notes.ignored.append(f"{counted(len(extra), 'column')} that the model does not have: {listed(extra)}")
    if absent:
        names = listed(column.name for column in absent)
        notes.found.append(f"no column {names}: all of its cells count as missing")
    x = np.full((table.num_rows, len(columns)), np.nan)
    for d, column in enumerate(columns):
        if column in absent:
            continue
        place = f"{where}: column {column.name!r}"
        x[:, d] = _encode(
            place, table.column(column.name), replace(column, other=False) if strict else column
        )
        gaps = np.isnan(x[:, d])
        if gaps.any() and not (column.missing or allow_missing):
            raise DataError(
                f"{place}: missing in row {int(gaps.argmax())}, but the column has no missing cells"
            )
        unseen = int((x[:, d] >= len(column.categories)).sum()) if column.other else 0
        if unseen:
            notes.found.append(
                f"column {column.name!r}: {counted(unseen, 'cell')} of categories never seen in training"
            )
    return x


def text_columns(columns: Sequence[Column]) -> dict[str, tuple]:
    """The columns whose cells are text, also where all look like numbers or dates: name → categories, if it has any."""
    return {
        column.name: column.categories
        for column in columns
        if any(isinstance(category, str) for category in column.categories) or ": %" in column.spelling
    }


def _encode(where: str, cells: pa.ChunkedArray, column: Column) -> np.ndarray:
    if pa.types.is_nested(cells.type):
        raise DataError(f"{where}: expected numbers, text or booleans, got {cells.type}")
    if ": " in column.spelling and (is_text(cells.type) or pa.types.is_temporal(cells.type)):
        try:
            return to_numbers(cells, column.spelling)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
    if column.kind in ("number", "real") and is_number(cells.type):
        return numbers(where, cells)
    if pa.types.is_null(cells.type):
        return np.full(len(cells), np.nan)
    with reading(where):  # text may be no UTF-8
        coded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
        coded = coded.unify_dictionaries().combine_chunks()
        values = coded.dictionary.to_pylist()
    codes = {category: float(code) for code, category in enumerate(column.categories)}
    read = [_read(value, column, codes) for value in values]
    places = coded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    strange = np.array([*(code is None for code in read), False])[places]
    if strange.any():
        row = int(strange.argmax())
        at = f" in row {row}" if len(cells) > 1 else ""
        raise DataError(f"{where}: expected {_expected(column)}, got {values[places[row]]!r}{at}")
    return np.array([*read, math.nan], np.float64)[places]


def _read(value: Any, column: Column, codes: dict[Any, float]) -> float | None:
    """The code or number of a value, NaN if it is none; None if the column takes no such value."""
    if value is None or value != value:
        return math.nan
    if not codes:
        return _number(value, column.kind)
    code = _code(value, codes)
    return float(len(codes)) if code is None and column.other else code


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
