"""The first line of a table in text: names of columns, or a row."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from chainrule.data.notes import Notes, listed, plain
from chainrule.data.readers.frame import distinct
from chainrule.data.readers.missing import MISSING
from chainrule.data.readers.numerals import LOOSE, share_matching

SEEN = 10_000  # rows that show what the first one is
YEARS = range(1800, 2101)  # whole numbers that may be names of columns


def names_of(
    cells: list[pa.Array], asked: bool | None, known: set[str], notes: Notes
) -> tuple[list[str], bool]:
    """Names that differ, and whether they are those of the first line."""
    first = [column[0].as_py().strip() for column in cells]
    header = True if known >= {*first} else asked
    if header is None:
        unnamed = known and known <= {f"column_{d + 1}" for d in range(len(first))}
        header = bool(known & {*first}) or not (unnamed or _is_row(cells, first))
        shown = listed(repr(plain(cell)) for cell in first)
        notes.found.append(
            f"the first line has the names of the columns: {shown}; --no-header if it is a row"
            if header
            else f"the first line is a row, {shown}; columns are column_1, …; --header if it has their names"
        )
    given = first if header else [""] * len(first)
    names = distinct(given)
    for d, (name, fresh) in enumerate(zip(given, names, strict=True) if header else ()):
        if fresh != name:
            what = f"a second {plain(name)!r}" if name else f"column {d + 1}, which has no name,"
            notes.changed.append(f"names: {what} is called {plain(fresh)!r}")
    return names, header


def _is_row(cells: list[pa.Array], first: list[str]) -> bool:
    """Whether a first line is no header.

    It is one if it has numbers and missing cells only; and if a name is a number where the column is, or recurs in its
    column, unless others are text above numbers.
    """
    there = {d: name for d, name in enumerate(first) if name not in MISSING}
    if not there:
        return False
    numbers = {d for d, name in there.items() if _is_number(name)}
    if len(numbers) == len(there):
        return True
    below = {d: pc.utf8_trim_whitespace(cells[d][1:SEEN]) for d in there}
    if not len(cells[0]) > 1:
        return False
    of_numbers = {d for d, column in below.items() if _share_of_numbers(column) >= 0.9}
    if of_numbers - numbers:
        return False
    if numbers & of_numbers and not _are_labels([first[d] for d in sorted(numbers)]):
        return True
    texts = there.keys() - numbers
    recurring = [d for d in texts if pc.any(pc.equal(below[d], first[d]), min_count=0).as_py()]
    return 2 * len(recurring) > len(texts)


def _share_of_numbers(cells: pa.Array) -> float:
    return share_matching(cells.filter(pc.invert(pc.is_in(cells, pa.array(sorted(MISSING))))), LOOSE)


def _are_labels(names: list[str]) -> bool:
    """Whether numbers may be names: different years, or 0, 1, 2, …"""
    if not all(name.isdecimal() for name in names) or len({*names}) < len(names):
        return False
    values = [int(name) for name in names]
    counting = len(values) > 1 and values == list(range(values[0], values[0] + len(values)))
    return counting or all(value in YEARS for value in values)


def _is_number(cell: str) -> bool:
    return re.match(LOOSE, cell) is not None
