"""Tables as text: .csv files of numbers."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path

import numpy as np

from chainrule.data.infer import infer_table
from chainrule.data.raw import Raw, reading
from chainrule.errors import DataError

DELIMITERS = ",;\t"
SNIFFED_LINES = 50


def read_table(path: Path) -> Raw:
    """Read a table with one item per line, separated by comma, semicolon or tab.

    The first line is a header unless all of it is numeric. Whole numbers below 256 throughout make
    categorical columns, each with its own levels; anything else makes reals.

    Raises:
        DataError: if it is unreadable or has no rows; on a line of another length, a text or a missing
            value, named by line and column.
    """
    with reading(str(path)), path.open(encoding="utf-8-sig", newline="") as stream:
        delimiter = _delimiter("".join(islice(stream, SNIFFED_LINES)))
        stream.seek(0)
        reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True)
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    if not rows:
        raise DataError(f"{path}: holds no rows")
    names = [f"column {d + 1}" for d in range(len(rows[0][1]))]
    if not all(map(_is_number, rows[0][1])):
        names = [
            f"column {name.strip()!r}" if name.strip() else names[d] for d, name in enumerate(rows.pop(0)[1])
        ]
    if not rows:
        raise DataError(f"{path}: holds a header but no rows")
    values = np.array([_numbers(path, line, names, cells) for line, cells in rows])
    return Raw(path.stem, str(path), {"train": values}, domain=infer_table(values))


def _delimiter(sample: str) -> str:
    try:
        return csv.Sniffer().sniff(sample, delimiters=DELIMITERS).delimiter
    except csv.Error:  # a single column has none
        return ","


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(path: Path, line: int, names: list[str], cells: list[str]) -> list[float]:
    if len(cells) != len(names):
        raise DataError(f"{path}: line {line}: expected {len(names)} values, got {len(cells)}")
    for name, cell in zip(names, cells, strict=True):
        if cell.strip().lower() in ("", "nan"):
            raise DataError(f"{path}: line {line}, {name}: missing value")
        if not _is_number(cell):
            raise DataError(f"{path}: line {line}, {name}: expected a number, got the text {cell!r}")
        if not np.isfinite(float(cell)):
            raise DataError(f"{path}: line {line}, {name}: expected a finite number, got {cell}")
    return [float(cell) for cell in cells]
