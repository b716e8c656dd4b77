"""Files and frames → one pyarrow table."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv
from pyarrow import feather, parquet

from chainrule.data.limits import check_size
from chainrule.data.raw import reading
from chainrule.errors import DataError

SUFFIXES = (".csv", ".tsv", ".parquet", ".feather", ".arrow")
SNIFFED_LINES = 50
EACH = 5  # bytes that one of a .csv takes in memory: a digit and a comma make a float64, and the text itself
# What pyarrow takes for a missing cell ("", NA, N/A, NULL, null, NaN, nan, …), also after a space.
NULLS = [space + text for text in arrow_csv.ConvertOptions().null_values for space in ("", " ")]
DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")


def as_arrow(source: Any, text: Collection[str] = ()) -> pa.Table:
    """The pyarrow table of a file, of a frame (a pandas one without its index), or itself.

    Args:
        source: the path of a file of `SUFFIXES`, the frame of pandas, polars or another library that hands out arrow's
            streams, or the table.
        text: names of columns that are text whatever their cells look like; for .csv and .tsv.

    Raises:
        DataError: if it is none of these or cannot be read, or two columns have one name.
    """
    if isinstance(source, str | Path):
        table = _read(Path(source).expanduser(), text)
    elif isinstance(source, pa.Table):
        table = source
    elif type(source).__module__.partition(".")[0] == "pandas":
        with reading("frame"):
            table = pa.Table.from_pandas(source, preserve_index=False)
    elif hasattr(source, "__arrow_c_stream__"):
        with reading("frame"):
            table = pa.table(source)
    else:
        raise DataError(
            f"table: expected a file of {', '.join(SUFFIXES)}, a DataFrame or a pyarrow Table, "
            f"got {type(source).__name__}"
        )
    for d, field in enumerate(table.schema):  # arrow cannot sort and count these yet
        if pa.types.is_string_view(field.type):
            table = table.set_column(d, field.name, table.column(d).cast(pa.string()))
    names = table.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{place(source)}: expected columns of different names, got {twice!r} twice")
    return table


def place(source: Any) -> str:
    """What messages call a source: its path, or "table"."""
    return str(source) if isinstance(source, str | Path) else "table"


def _read(path: Path, text: Collection[str]) -> pa.Table:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: expected a table in {', '.join(SUFFIXES)}, got {suffix or 'no suffix'}")
    with reading(str(path)):
        if suffix == ".parquet":
            table = _read_parquet(path)
        elif suffix in (".csv", ".tsv"):
            check_size(str(path), EACH * path.stat().st_size)
            table = _read_csv(path, text)
        else:
            table = feather.read_table(path)
            table.validate(full=True)  # or damaged offsets would be followed
    if not table.num_columns or not table.num_rows:
        raise DataError(f"{path}: holds {'a header but ' if table.num_columns else ''}no rows")
    return table


def _read_parquet(path: Path) -> pa.Table:
    """Read it once its sizes are known to be small enough: few bytes can stand for many equal cells."""
    file = parquet.ParquetFile(path)
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    stored = sum(group.total_byte_size for group in groups)
    check_size(str(path), max(stored, 8 * file.metadata.num_rows * file.metadata.num_columns))
    texts = {field.name: field.type for field in file.schema_arrow if _is_text(field.type)}
    table = parquet.read_table(path, read_dictionary=list(texts))
    for d, field in enumerate(table.schema):
        if field.name in texts and pa.types.is_dictionary(field.type):
            cells = table.column(d)
            check_size(f"{path}: column {field.name!r}", sum(map(_bytes, cells.chunks)))
            table = table.set_column(d, field.name, cells.cast(texts[field.name]))
    return table


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _bytes(cells: pa.DictionaryArray) -> int:
    """The number of bytes that the texts of a column take."""
    lengths = pc.binary_length(cells.dictionary)
    return pc.sum(pc.take(lengths, cells.indices).cast(pa.int64())).as_py() or 0


def _read_csv(path: Path, text: Collection[str]) -> pa.Table:
    """One item a line, cells separated by comma, semicolon or tab.

    The first line is a header unless all of it is numbers and missing cells; columns without a name are
    column_1, … . Between semicolons the decimal sign may be a comma.
    """
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(islice(stream, SNIFFED_LINES))
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(lines)
    rows = [cells for cells in csv.reader(lines, delimiter=delimiter) if any(map(str.strip, cells))]
    if not rows:
        return pa.table({})
    comma = delimiter == ";" and any(DECIMAL_COMMA.fullmatch(cell) for cells in rows for cell in cells)
    header = not _is_data(rows[0], comma)
    given = rows[0] if header else [f"f{d}" for d in range(len(rows[0]))]  # f0, … is pyarrow's own numbering
    names = [(name.strip() if header else "") or f"column_{d + 1}" for d, name in enumerate(given)]
    table = arrow_csv.read_csv(
        path,
        # In one thread, or errors could not name the row.
        arrow_csv.ReadOptions(use_threads=False, autogenerate_column_names=not header),
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            null_values=NULLS,
            strings_can_be_null=True,
            decimal_point="," if comma else ".",
            column_types={old: pa.string() for old, new in zip(given, names, strict=True) if new in text},
        ),
    )
    for d, column in enumerate(table.columns):
        if pa.types.is_string(column.type):
            table = table.set_column(d, table.field(d), pc.utf8_trim_whitespace(column))
    return table.rename_columns(names)


def _delimiter(lines: list[str]) -> str:
    """The first of tab, semicolon and comma that gives all lines the same number of cells, at least two."""
    widths = {
        delimiter: {len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells}
        for delimiter in "\t;,"
    }
    regular = [delimiter for delimiter, found in widths.items() if len(found) == 1 and min(found) > 1]
    # Where none does, pyarrow names the line that differs.
    return regular[0] if regular else max(",;\t", key="".join(lines).count)


def _is_data(cells: list[str], comma: bool) -> bool:
    """Whether a first line is no header: at least one number, and nothing but numbers and missing cells."""
    cells = [cell.replace(",", ".") if comma else cell for cell in cells]
    numbers = [cell for cell in cells if cell not in NULLS]
    return bool(numbers) and all(map(_is_number, numbers))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
