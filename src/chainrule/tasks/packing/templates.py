"""The text around the cells of a .csv file: what its bytes are besides the values that a model codes.

A record's template is its text with a mark in place of each cell: HERE for the cell as `texts` spells it, COMMA for the
same with a decimal comma, OTHER before a cell that is spelt otherwise and stands there itself. Records that follow each
other are mostly alike, so templates are counted.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from chainrule.coding.container import DAMAGED
from chainrule.data.limits import check_size
from chainrule.data.readers.delimited import Layout
from chainrule.errors import ChainruleError, CodeError

HERE, COMMA, OTHER = "\0", "\1", "\2"
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def codec_of(content: bytes, encoding: str | None) -> str:
    """The codec that gives the characters of a file and its bytes again, its mark being one of them."""
    return next((codec for mark, codec in MARKS if content.startswith(mark)), encoding or "utf-8")


def texts(cells: Iterable[Any]) -> Iterator[str]:
    """Cells of a column as a .csv would have them: "" where missing, numbers without needless zeros."""
    for cell in cells:
        yield "" if cell is None or cell != cell else str(cell).removesuffix(".0")


def templates_of(text: str, layout: Layout, coded: list[list[str] | None]) -> list[list]:
    """The templates of a file, as [template, how many follow each other] lists.

    Args:
        text: of the file.
        layout: its delimiter, and which of its records are rows.
        coded: the texts of each column of the file for the rows that are coded; None of a column that is not.

    Raises:
        ChainruleError: if its records are not those of the table.
    """
    if any(mark in text for mark in (HERE, COMMA, OTHER)):
        raise ChainruleError("it holds control characters")
    rows = min(len(column) for column in coded if column is not None)
    found: list[str] = []
    for record, row in _records(text, layout):
        if row is not None and row >= rows and rows < layout.rows:
            break  # the rest is not packed
        if row is None:
            found.append("".join(record))
            continue
        if len(record) != 2 * len(coded):
            raise ChainruleError(f"its row {row} has {len(record) // 2} cells, expected {len(coded)}")
        found.append(
            "".join(
                (raw if column is None else _template(raw, column[row])) + end
                for raw, end, column in zip(record[::2], record[1::2], coded, strict=True)
            )
        )
    return [[template, sum(1 for _ in same)] for template, same in groupby(found)]


def filled(runs: list[list], rows: Iterator[Iterable[str]]) -> Iterator[str]:
    """The records of a file: its templates with the texts of the coded cells of one row after another.

    Raises:
        CodeError: if there are more or fewer rows.
        DataError: if they would take more memory than they may.
    """
    check_size("the rows of this file", sum(len(template) * count for template, count in runs))
    for template, count in runs:
        marks = sum(map(template.count, (HERE, COMMA, OTHER)))
        for _ in range(count):
            cells = tuple(next(rows, ())) if marks else ()
            if len(cells) != marks:
                raise CodeError(DAMAGED)
            yield _fill(template, iter(cells))
    if next(rows, None) is not None:
        raise CodeError(DAMAGED)


def _fill(template: str, cells: Iterator[str]) -> str:
    def cell(mark: re.Match) -> str:
        text = next(cells).replace('"', '""')
        return {HERE: text, COMMA: text.replace(".", ","), OTHER: ""}[mark[0]]

    return re.sub(f"[{HERE}{COMMA}{OTHER}]", cell, template)


def _template(raw: str, text: str) -> str:
    spelt = text.replace('"', '""')
    for mark, cell in ((HERE, spelt), (COMMA, spelt.replace(".", ","))):
        if cell in raw and (cell or not raw):
            return raw.replace(cell, mark, 1)
    return OTHER + raw


def _records(text: str, layout: Layout) -> Iterator[tuple[list[str], int | None]]:
    """Each record as [cell, what ends it, cell, …], and which row of the table it is, if it is one."""
    cell = re.compile(
        rf'("(?:[^"]|"")*"[^{re.escape(layout.delimiter)}\r\n]*|[^{re.escape(layout.delimiter)}\r\n]*)'
        rf"({re.escape(layout.delimiter)}|\r\n|\n|\r|$)"
    )
    lonely, at, row = len(layout.names) < 2, 0, -layout.start
    body = len(text) - len(text.lstrip("\ufeff\r\n"))
    last = len(text.rstrip("\r\n")) if lonely else len(text)
    record: list[str] = [text[:body]] if body else []
    if record:
        yield record, None
        record, at = [], body
    while at < len(text):
        found = cell.match(text, at)
        assert found is not None
        record += found.groups()
        at = found.end()
        if found[2] == layout.delimiter and at < len(text):
            continue
        if found[2] == layout.delimiter:  # the last cell is empty, and so is what ends it
            record += ["", ""]
        blank = record[0] == "" and len(record) == 2 and (not lonely or found.start() > last)
        if blank or not 0 <= row < layout.rows:
            yield record, None
        else:
            yield record, row
        row += not blank
        record = []
