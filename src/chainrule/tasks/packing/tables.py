"""Tables: the names and types of their columns, in the order of the file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from chainrule.coding.about import described
from chainrule.coding.container import DAMAGED
from chainrule.data import decode
from chainrule.data.categories import text_columns
from chainrule.data.readers.arrow import as_arrow
from chainrule.errors import CodeError
from chainrule.tasks.packing.source import Source, Unpacked

SIMPLE = {  # as arrow calls its types → the types
    str(kind): kind
    for kind in (
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(
            pa.float16(),
            pa.float32(),
            pa.float64(),
            pa.bool_(),
            pa.string(),
            pa.large_string(),
            pa.string_view(),
        ),
    )
}


def describe(source: Source) -> dict:
    """The columns, and whether a .csv has a header."""
    assert source.path is not None
    table = _read(source, source.path)
    columns = [{"name": field.name, **_type(field.type)} for field in table.schema]
    header = _has_header(source.path, table.column_names)
    return {"ending": source.path.suffix.lower(), "columns": columns, "header": header}


def endings(about: dict) -> tuple[str, ...]:
    """The suffix of the source, or the other one."""
    return (".parquet", ".csv") if about.get("ending") == ".parquet" else (".csv", ".parquet")


def write(unpacked: Unpacked, out: Path) -> None:
    """The rows, their columns in the order and of the types that they had."""
    about, domain = unpacked.about, unpacked.run.model.domain
    with described():
        names = [column["name"] for column in about["columns"]]
        if domain.columns:
            frame = pa.Table.from_pandas(decode(unpacked.x, domain.columns), preserve_index=False)
            cells = dict(zip(frame.column_names, frame.columns, strict=True))
        else:
            flat = unpacked.x.reshape(len(unpacked.x), -1)
            cells = {
                name: pa.chunked_array([cell.numpy()])
                for name, cell in zip(names, flat.unbind(1), strict=True)
            }
        if sorted(cells) != sorted(names):
            raise CodeError(DAMAGED)
        columns = [_cast(cells[column["name"]], column) for column in about["columns"]]
        table, header = pa.table(columns, names=names), bool(about["header"])
    if out.suffix.lower() == ".parquet":
        parquet.write_table(table, out)
    else:
        with out.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerows([names] * header)
            lines.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))


def difference(source: Source, out: Path) -> str | None:
    """Which column differs, and in which row first."""
    assert source.path is not None
    was, now = _read(source, source.path), _read(source, out)
    if was.num_rows != now.num_rows or was.column_names != now.column_names:
        shown = [f"{table.num_rows:,} rows of {', '.join(table.column_names)}" for table in (was, now)]
        return " would be ".join(shown)
    for name in was.column_names:
        given, found = was.column(name), now.column(name)
        if given.type != found.type:
            return f"column {name!r}: {given.type} would be {found.type}"
        if pa.types.is_dictionary(given.type):
            given, found = (cells.cast(cells.type.value_type) for cells in (given, found))
        if not given.equals(found):
            row = next(i for i in range(len(given)) if not given.slice(i, 1).equals(found.slice(i, 1)))
            return f"column {name!r}, row {row}: {given[row]} would be {found[row]}"
    return None


def _read(source: Source, path: Path) -> pa.Table:
    table = as_arrow(path, text_columns(source.run.model.domain.columns))
    return (table.slice(0, len(source.items)) if source.part else table).replace_schema_metadata(None)


def _has_header(path: Path, names: list[str]) -> bool:
    """Not if the reader has made the names up."""
    if path.suffix.lower() != ".csv" or names != [f"column_{d + 1}" for d in range(len(names))]:
        return True
    with path.open(encoding="utf-8-sig") as file:
        return names[0] in file.readline()


def _type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_dictionary(kind):
        return {"type": str(kind.value_type), "index": str(kind.index_type), "ordered": kind.ordered}
    return {"type": str(kind)}


def _cast(cells: pa.ChunkedArray, column: dict[str, Any]) -> pa.ChunkedArray:
    """Cells in the type that the file had; a type that is not known stays what it is, and is seen to differ."""
    kind = SIMPLE.get(column["type"])
    if kind is None:
        return cells
    if "index" in column:
        whole = pa.dictionary(SIMPLE[column["index"]], kind, bool(column["ordered"]))
        return cells.cast(kind).dictionary_encode().cast(whole)
    return cells.cast(kind)
