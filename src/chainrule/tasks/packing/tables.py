"""Tables: the names and types of their columns, in the order of the file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from chainrule.coding.about import described
from chainrule.coding.container import DAMAGED
from chainrule.data import Notes, decode
from chainrule.data.categories import text_columns
from chainrule.data.readers.arrow import DELIMITED, as_arrow
from chainrule.data.readers.delimited import read_delimited
from chainrule.data.spelling import respelt
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, CodeError
from chainrule.tasks.packing.source import Source, Unpacked
from chainrule.tasks.packing.templates import codec_of, filled, templates_of, texts

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
    """The columns; and of a .csv file the text around its cells."""
    assert source.path is not None
    ending = source.path.suffix.lower()
    if ending not in DELIMITED:
        if source.items.beside is not None and source.items.beside.num_columns:
            name = source.items.beside.column_names[0]
            raise ChainruleError(
                f"{source.name}: cannot be restored exactly: the model has no column {name!r}; "
                f"leave it out, or give a .csv"
            )
        columns = [{"name": field.name, **_type(field.type)} for field in _read(source, source.path).schema]
        return {"ending": ending, "columns": columns, "header": True}
    reading, domain = source.run.reading, source.run.model.domain
    table, layout = read_delimited(source.path, text_columns(domain.columns), reading, Notes())
    own = {column.name for column in domain.columns} or {*table.column_names}
    columns = [{"name": field.name, **_type(field.type)} for field in table.schema if field.name in own]
    about = {"ending": ending, "columns": columns, "header": True}
    rows = _table(Unpacked(about, source.items.x, None, source.run))
    spelt = {
        name: _texts(name, cells, domain) for name, cells in zip(rows.column_names, rows.columns, strict=True)
    }
    content = source.path.read_bytes()
    codec = codec_of(content, reading.encoding)
    try:
        lines = templates_of(content.decode(codec), layout, [spelt.get(name) for name in layout.names])
    except ChainruleError as error:
        raise ChainruleError(f"{source.name}: cannot be restored exactly: {error}") from error
    return {**about, "codec": codec, "lines": lines}


def endings(about: dict) -> tuple[str, ...]:
    """The suffix of the source, or another one."""
    own = about.get("ending")
    if own == ".parquet":
        return (".parquet", ".csv")
    return (own, ".parquet") if own in DELIMITED else (".csv", ".parquet")


def write(unpacked: Unpacked, out: Path) -> None:
    """The rows, their columns in the order and of the types that they had; or the file as it was."""
    about, domain = unpacked.about, unpacked.run.model.domain
    table = _table(unpacked)
    if out.suffix.lower() == ".parquet":
        parquet.write_table(table, out)
    elif "lines" in about:
        columns = [
            _texts(name, cells, domain) for name, cells in zip(table.column_names, table.columns, strict=True)
        ]
        with described():
            text = "".join(filled(about["lines"], zip(*columns, strict=True)))
            content = text.encode(about["codec"])
        out.write_bytes(content)
    else:
        with out.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerows([table.column_names] * bool(about.get("header")))
            lines.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _table(unpacked: Unpacked) -> pa.Table:
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
        return pa.table(columns, names=names)


def _texts(name: str, cells: pa.ChunkedArray, domain: Domain) -> list[str]:
    """The cells of a column as its spelling has them."""
    values = cells.to_pylist()
    spelling = next((column.written for column in domain.columns if column.name == name), "")
    return list(texts(values if (spelt := respelt(spelling, values)) is None else spelt))


def difference(source: Source, out: Path) -> str | None:
    """Which byte differs first; of other files than text, which column, and in which row."""
    assert source.path is not None
    if out.suffix.lower() in DELIMITED:
        given, found = source.path.read_bytes(), out.read_bytes()
        if given == found or (source.part and given.startswith(found)):
            return None
        same = next((i for i, (a, b) in enumerate(zip(given, found, strict=False)) if a != b), len(found))
        return f"its bytes differ from byte {same:,} on"
    was, now = _read(source, source.path), _read(source, out)
    if was.num_rows != now.num_rows or was.column_names != now.column_names:
        shown = [f"{table.num_rows:,} rows of {', '.join(table.column_names)}" for table in (was, now)]
        return " would be ".join(shown)
    for name in was.column_names:
        was_cells, now_cells = was.column(name), now.column(name)
        if was_cells.type != now_cells.type:
            return f"column {name!r}: {was_cells.type} would be {now_cells.type}"
        if pa.types.is_dictionary(was_cells.type):
            was_cells, now_cells = (cells.cast(cells.type.value_type) for cells in (was_cells, now_cells))
        if not was_cells.equals(now_cells):
            row = next(
                i for i in range(len(was_cells)) if not was_cells.slice(i, 1).equals(now_cells.slice(i, 1))
            )
            return f"column {name!r}, row {row}: {was_cells[row]} would be {now_cells[row]}"
    return None


def _read(source: Source, path: Path) -> pa.Table:
    table = as_arrow(path, text_columns(source.run.model.domain.columns))
    return (table.slice(0, len(source.items)) if source.part else table).replace_schema_metadata(None)


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
