"""Text with a row a line, cells between delimiters → a table: .csv, .tsv."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from chainrule.data.limits import check_size
from chainrule.data.notes import Notes, counted, listed, plain
from chainrule.data.readers.cells import Cells
from chainrule.data.readers.decode_text import decode_text
from chainrule.data.readers.header import names_of
from chainrule.data.readers.missing import MISSING, NA, PLACEHOLDERS, missing_texts
from chainrule.data.reading import Reading
from chainrule.data.spelling import WRITTEN
from chainrule.errors import DataError

SNIFFED = 1 << 16  # characters that show the delimiter
SNIFFED_LINES = 50  # likewise
DELIMITERS = "\t;|,"
# Bytes that one of a file takes in memory: a digit and a comma make a text with its offset, twice, and a float64.
EACH = 10
MOST_BLOCK = 1 << 29  # bytes that are parsed at once
TOTALS = re.compile(r"(grand |sub)?-?totals?|sums?|summe|gesamt", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """What a file is made of beside its rows, which their bytes are restored from.

    Attributes:
        delimiter: between two cells.
        names: of its columns in order, those that are left out too.
        start: records before the first row.
        rows: how many follow.
    """

    delimiter: str
    names: tuple[str, ...]
    start: int
    rows: int


def read_delimited(path: Path, text: Collection[str], how: Reading, notes: Notes) -> tuple[pa.Table, Layout]:
    """Read a file of rows of cells, in UTF-8 or as its mark or `how.encoding` says.

    The first line has the names of the columns unless it looks like a row. A column is numbers if all cells are,
    spelt alike, or all but few; what is read otherwise than it stands is noted. Fields of the table have their spelling
    in their metadata.

    Args:
        path: of the file.
        text: names of columns that are text whatever their cells look like; a mapping has the categories of each.
        how: encoding, delimiter, header, na_values, and the kinds of columns.
        notes: takes what was found, left out and changed.

    Raises:
        DataError: if it is not text, or its rows have different numbers of cells.
    """
    check_size(str(path), EACH * path.stat().st_size)
    content = _content(path, how.encoding)
    delimiter = _delimiter(path, content, how, notes)
    cells = _split(path, content, delimiter)
    if not cells or not len(cells[0]):
        return pa.table({}), Layout(delimiter, (), 0, 0)
    own = how.domain.columns if how.domain else ()
    # A column of numbers may have had odd cells in training if it had missing ones.
    kinds = {column.name: column.kind for column in own if column.missing and not column.categories}
    kinds |= how.columns or {}
    known = {*kinds, *text, *(column.name for column in own)}
    names, header = names_of(cells, how.header, known, notes)
    if header:
        cells = [column[1:] for column in cells]
    columns = [
        Cells(name, column, _levels(text, name), kinds.get(name))
        for name, column in zip(names, _without_padding(cells), strict=True)
    ]
    gone = missing_texts(
        {column.name: column.trimmed for column in columns if column.levels is None}, how.na_values
    )
    for column in columns:
        column.survey(gone.get(column.name, _gone(column, how.na_values)))
    if how.na_values is None:
        _say_na(columns, gone, notes)
    start = header + _without_extras(columns, notes)
    table = _table(columns, delimiter, notes)
    if header and names[0] == "column_1" and _counts_rows(table, known):
        notes.ignored.append("the first column, which has no name and counts the rows")
        table = table.drop_columns(names[:1])
    return table, Layout(delimiter, tuple(names), start, len(columns[0].raw))


def _content(path: Path, encoding: str | None) -> bytes:
    """The file in UTF-8 without a mark, and without the empty lines at its ends."""
    raw = path.read_bytes()
    if raw.isascii() and encoding is None and b"\0" not in raw:
        return raw.lstrip(b"\r\n")
    text, _ = decode_text(raw, str(path), encoding)
    return text.lstrip("\r\n").encode()


def _delimiter(path: Path, content: bytes, how: Reading, notes: Notes) -> str:
    """The one asked for, or the first that gives all lines the same number of cells, at least two."""
    if how.delimiter is not None:
        return how.delimiter
    if ".tsv" in path.suffix.lower():
        return "\t"
    text = content[:SNIFFED].decode(errors="ignore")
    lines = list(io.StringIO(text, newline=""))
    lines = lines[: -1 if len(content) > SNIFFED and len(lines) > 1 else None]
    widths = {
        delimiter: {
            len(cells) for cells in islice(csv.reader(lines, delimiter=delimiter), SNIFFED_LINES) if cells
        }
        for delimiter in DELIMITERS
    }
    regular = [delimiter for delimiter, found in widths.items() if len(found) == 1 and min(found) > 1]
    # Where none does, pyarrow names the line that differs.
    chosen = regular[0] if regular else max(reversed(DELIMITERS), key=text.count)
    if chosen != ",":
        others = (
            f"; {listed(map(repr, regular[1:]))} would do too, --delimiter chooses" if regular[1:] else ""
        )
        notes.found.append(f"cells separated by {chosen!r}{others}")
    return chosen


def _split(path: Path, content: bytes, delimiter: str) -> list[pa.Array]:
    """Its columns, each a text a line, the first line too."""
    first = next(
        csv.reader(io.StringIO(content[:SNIFFED].decode(errors="ignore"), newline=""), delimiter=delimiter),
        [],
    )
    lonely = len(first) < 2  # an empty line is then a missing cell
    body = content.rstrip(b"\r\n") + b"\n" if lonely else content
    if not first:
        return []
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            # In one thread, or errors could not name the row; in one block if it may be, whose columns need no copy.
            arrow_csv.ReadOptions(
                use_threads=False, autogenerate_column_names=True, block_size=min(len(body) + 1, MOST_BLOCK)
            ),
            arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=not lonely
            ),
            arrow_csv.ConvertOptions(
                strings_can_be_null=False,
                column_types={f"f{d}": pa.string() for d in range(len(first))},
            ),
        )
    except pa.ArrowInvalid as error:
        said = str(error).splitlines()[0][:120]
        raise DataError(
            f"{path}: cannot be read: {said}; cells are separated by {delimiter!r}, --delimiter says another"
        ) from error
    cells = [column.combine_chunks() for column in table.columns]
    cells = [
        pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column for column in cells
    ]
    last = next((text for column in cells if "\n" in (text := column[-1].as_py())), None)
    if last is not None and content.count(b'"') % 2:
        raise DataError(
            f"{path}: a quote is opened and not closed before the end of the file: {plain(last)[:40]!r}"
        )
    return cells


def _without_padding(cells: list[pa.Array]) -> list[pa.Array]:
    """A space after every delimiter of the file is none of the cells'."""
    padded = all(pc.all(pc.starts_with(column, " "), min_count=0).as_py() for column in cells[1:])
    if len(cells) < 2 or not padded:
        return cells
    return [cells[0], *(pc.utf8_slice_codeunits(column, 1) for column in cells[1:])]


def _levels(text: Collection[str], name: str) -> Collection | None:
    if name not in text:
        return None
    return text[name] if isinstance(text, Mapping) else ()


def _gone(column: Cells, chosen: Collection[str] | None) -> frozenset[str]:
    """What is missing in a known column of text: not its categories."""
    return frozenset(MISSING if chosen is None else chosen) - {*(column.levels or ())}


def _say_na(columns: list[Cells], gone: Mapping[str, frozenset[str]], notes: Notes) -> None:
    for column in columns:
        count = pc.sum(pc.equal(column.trimmed, NA)).as_py() or 0
        if count and NA not in gone.get(column.name, {NA}):
            cells = counted(count, "cell")
            notes.found.append(
                f"column {plain(column.name)!r}: 'NA' is a value, of {cells}; --na NA --na \"\" if it is missing"
            )


def _without_extras(columns: list[Cells], notes: Notes) -> int:
    """Leave out a row of units below the header and one of totals at the end; how many rows that is at the start."""
    numbers = [column for column in columns if column.styles]
    rows = len(columns[0].raw)
    start, stop = 0, rows
    if rows > 2 and numbers:
        units = [column.trimmed[0].as_py() for column in numbers if column.odd]
        if {*units} - PLACEHOLDERS and all(c.missing[0] or c.trimmed[0].as_py() in c.odd for c in numbers):
            start = 1
            notes.ignored.append(
                f"row 0, which has units and no numbers: {listed(c.trimmed[0].as_py() for c in columns)}"
            )
        label = next((c for c in columns if TOTALS.fullmatch(c.trimmed[rows - 1].as_py())), None)
        if label is not None and pc.sum(pc.equal(label.trimmed, label.trimmed[rows - 1])).as_py() == 1:
            stop = rows - 1
            notes.ignored.append(
                f"the last row, which has totals: {listed(c.trimmed[rows - 1].as_py() for c in columns)}"
            )
    for column in columns if (start, stop) != (0, rows) else ():
        column.keep(start, stop)
    return start


def _table(columns: list[Cells], delimiter: str, notes: Notes) -> pa.Table:
    signs = {column.decimal for column in columns} - {None}
    comma = signs == {","} if len(signs) == 1 else None
    if "," in signs:
        commas = [column.name for column in columns if column.decimal == ","]
        notes.found.append(f"decimal commas in {listed(commas)}")
    arrays, fields = [], []
    for column in columns:
        cells, spelling = column.read(comma, delimiter == ";", notes)
        arrays.append(cells)
        fields.append(pa.field(column.name, cells.type, metadata={WRITTEN: spelling} if spelling else None))
    return pa.table(arrays, schema=pa.schema(fields))


def _counts_rows(table: pa.Table, known: set[str]) -> bool:
    """Whether the first column, which has no name, is the index of a frame."""
    first = table.column(0)
    if (
        table.num_columns < 2
        or not pa.types.is_integer(first.type)
        or first.null_count
        or "column_1" in known
    ):
        return False
    return bool((np.diff(first.to_numpy()) > 0).all() and (len(first) > 1 or known))
