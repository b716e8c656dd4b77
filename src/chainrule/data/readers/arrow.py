"""Files and frames → one pyarrow table."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather, parquet

from chainrule.data.limits import check_size
from chainrule.data.notes import Notes, listed
from chainrule.data.raw import reading
from chainrule.data.readers.delimited import read_delimited
from chainrule.data.readers.frame import FRAMES, frame_table, is_frame, with_distinct_names
from chainrule.data.readers.unpack import is_packed, unpacked
from chainrule.data.reading import Reading
from chainrule.errors import DataError

DELIMITED = (".csv", ".tsv")
TABLE_OPTIONS = ("delimiter", "header", "na_values")  # of `Reading`, for these
SUFFIXES = (*DELIMITED, ".parquet", ".feather", ".arrow")
INDEX = re.compile(r"__index_level_\d+__")


def as_arrow(
    source: Any, text: Collection[str] = (), how: Reading | None = None, notes: Notes | None = None
) -> pa.Table:
    """The pyarrow table of a file or of what is in memory, without the index of a frame; names are made distinct.

    Args:
        source: the path of a file of `SUFFIXES`, or what `is_frame`: the frame of pandas, polars, duckdb or another
            library that hands out arrow's streams, a pyarrow table, a list of dictionaries, an array of records or of
            objects.
        text: names of columns that are text whatever their cells look like, for .csv and .tsv; a mapping has the
            categories of each.
        how: options of reading; see `read_delimited`.
        notes: takes what was found, left out and changed.

    Raises:
        DataError: if it is none of these or cannot be read.
    """
    notes = notes or Notes()
    if isinstance(source, str | Path):
        table = _read(Path(source).expanduser(), text, how or Reading(), notes)
    elif is_frame(source):
        table = frame_table(source, notes)
    else:
        raise DataError(
            f"table: expected a file of {', '.join(SUFFIXES)}, {FRAMES}, got {type(source).__name__}"
        )
    for d, field in enumerate(table.schema):  # arrow cannot sort and count these yet
        if pa.types.is_string_view(field.type):
            table = table.set_column(d, field.name, table.column(d).cast(pa.string()))
    return with_distinct_names(_without_index(table, notes), notes)


def _without_index(table: pa.Table, notes: Notes) -> pa.Table:
    """Leave out what pandas writes of an index that has no name."""
    found = [name for name in table.column_names if INDEX.fullmatch(name)]
    if not found or len(found) == table.num_columns:
        return table
    notes.ignored.append(f"the index of a frame: {listed(found)}")
    return table.drop_columns(found)


def place(source: Any) -> str:
    """What messages call a source: its path, or "table"."""
    return str(source) if isinstance(source, str | Path) else "table"


def _read(path: Path, text: Collection[str], how: Reading, notes: Notes) -> pa.Table:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if is_packed(path):
        with unpacked(path, notes) as inner:
            return _read(inner, text, how, notes)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: expected a table in {', '.join(SUFFIXES)}, got {suffix or 'no suffix'}")
    with reading(str(path)):
        if suffix == ".parquet":
            table = _read_parquet(path)
        elif suffix in DELIMITED:
            table, _ = read_delimited(path, text, how, notes)
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
