"""Tables that are compared, brought to common columns of numbers and codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.data.cells import is_number, is_text, numbers
from chainrule.data.readers.arrow import as_arrow
from chainrule.errors import DataError

NUMBER, DATE, CATEGORY = "number", "date", "category"
# More different texts than this, and than half the cells, are identifiers or free text.
FEW_LEVELS = 50
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, eq=False)
class Cells:
    """One column of several tables.

    Attributes:
        name: its heading.
        kind: "number", "date" or "category".
        parts: the cells of each table, float64 (N,), NaN where missing: numbers; days since 1970 of dates and times
            of day, days of durations; codes of categories.
        levels: the categories, the most frequent of the first table first; code k is `levels[k]`.
    """

    name: str
    kind: str
    parts: tuple[np.ndarray, ...]
    levels: tuple[str, ...] = ()

    def present(self, part: int) -> np.ndarray:
        """The cells of one table that are not missing."""
        values = self.parts[part]
        return values[~np.isnan(values)]

    def spelled(self, value: float) -> str:
        """A value as text."""
        if self.kind == CATEGORY:
            return self.levels[int(value)]
        if self.kind == DATE:
            return str(np.datetime64(round(value * SECONDS_A_DAY), "s")).removesuffix("T00:00:00")
        return f"{value:.6g}"


def read_cells(tables: Mapping[str, Any]) -> tuple[list[Cells], dict[str, str]]:
    """The columns that can be compared, and why the others cannot, by name.

    Numbers and dates are compared as such; booleans, text and categoricals as categories.

    Args:
        tables: what messages call each → a file of a table, a DataFrame or a pyarrow Table; the first decides what a
            column is.

    Raises:
        DataError: if a table cannot be read, or holds text where the first has numbers or dates; if two of them have
            no column in common.
    """
    first, *others = tables.values()
    table = as_arrow(first)
    text = [field.name for field in table.schema if _sort(field.type) == CATEGORY]
    read = [table, *(as_arrow(other, text) for other in others)]
    left_out: dict[str, str] = {}
    for where, each in zip(tables, read, strict=True):
        for other, its in zip(tables, read, strict=True):
            left_out |= {
                name: f"only in {where}" for name in each.column_names if name not in its.column_names
            }
            if not set(each.column_names) & set(its.column_names):
                raise DataError(f"{other}: expected the columns of {where}, such as {each.column_names[0]!r}")
    columns = []
    for name in table.column_names:
        if name not in left_out:
            found = _column(
                name, {where: each.column(name) for where, each in zip(tables, read, strict=True)}
            )
            columns.append(found) if isinstance(found, Cells) else left_out.update({name: found})
    if not columns:
        raise DataError(f"{next(iter(tables))}: no column can be compared ({left_out})")
    return columns, left_out


def _column(name: str, cells: Mapping[str, pa.ChunkedArray]) -> Cells | str:
    """The column of these cells, or why it cannot be compared."""
    cells = _dated(cells)
    sorts = {where: _sort(each.type) for where, each in cells.items() if each.null_count < len(each)}
    kind = next(iter(sorts.values()), None)
    if kind is None:
        return "no cells" if not sorts else f"of type {next(iter(cells.values())).type}"
    if kind == CATEGORY:
        return _categories(name, list(cells.values()))
    for where, sort in sorts.items():
        if sort != kind:
            raise DataError(
                f"{where}: column {name!r}: expected {kind}s as in {next(iter(sorts))}, got {cells[where].type}"
            )
    take = _days if kind == DATE else numbers
    return Cells(name, kind, tuple(take(f"{w}: column {name!r}", each) for w, each in cells.items()))


def _dated(cells: Mapping[str, pa.ChunkedArray]) -> Mapping[str, pa.ChunkedArray]:
    """The same, and if no cell is anything but a date, those that are text (2020-12-31) as dates."""
    texts = {where: each for where, each in cells.items() if is_text(each.type)}
    if any(_sort(each.type) != DATE for where, each in cells.items() if where not in texts):
        return cells
    try:
        return {**cells, **{where: each.cast(pa.timestamp("us")) for where, each in texts.items()}}
    except pa.ArrowInvalid:
        return cells


def _sort(kind: pa.DataType) -> str | None:
    """What cells of an arrow type are; None for nested ones and bytes."""
    if is_number(kind):
        return NUMBER
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return DATE
    known = is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind)
    return CATEGORY if known else None


def _days(where: str, cells: pa.ChunkedArray) -> np.ndarray:
    """Dates and times as days (N,), NaN where missing."""
    if cells.null_count == len(cells):
        return np.full(len(cells), np.nan)
    kind = cells.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        fine = cells.cast(pa.timestamp("us", getattr(kind, "tz", None)))
    else:
        fine = cells.cast(pa.time64("us") if pa.types.is_time(kind) else pa.duration("us"))
    return numbers(where, fine.cast(pa.int64())) / (SECONDS_A_DAY * 1e6)


def _categories(name: str, cells: Sequence[pa.ChunkedArray]) -> Cells | str:
    texts = [[None if value is None else _text(value) for value in each.to_pylist()] for each in cells]
    counts = Counter(value for value in texts[0] if value is not None)
    if len(counts) > max(FEW_LEVELS, counts.total() / 2):
        return f"{len(counts)} different values in {counts.total()} cells: an identifier or free text"
    for others in texts[1:]:
        counts.update({value: 0 for value in others if value is not None and value not in counts})
    levels = tuple(sorted(counts, key=lambda value: (-counts[value], value)))
    codes: dict[str | None, float] = {value: float(code) for code, value in enumerate(levels)} | {
        None: np.nan
    }
    parts = tuple(np.array([codes[value] for value in each]) for each in texts)
    return Cells(name, CATEGORY, parts, levels)


def _text(value: Any) -> str:
    """A category as text: whole numbers are spelled alike whether or not missing cells have made them floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
