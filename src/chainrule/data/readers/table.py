"""Tables → a domain and arrays: .csv and .parquet files, and the tables of the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from chainrule.data.categories import encode, text_columns
from chainrule.data.cells import is_number, numbers
from chainrule.data.columns import find_columns
from chainrule.data.infer import infer_table
from chainrule.data.labels import label_codes
from chainrule.data.notes import Notes, counted
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.arrow import DELIMITED, TABLE_OPTIONS, as_arrow
from chainrule.data.reading import Reading
from chainrule.domain import Domain
from chainrule.domain.column import Column
from chainrule.errors import DataError, nearest


def read_table(path: Path, how: Reading) -> Raw:
    """Read a .csv or .parquet file with one item a row.

    Raises:
        DataError: see `raw_of_tables`; or if the file cannot be read or has no rows.
    """
    notes = Notes()
    table = as_arrow(path, text_columns(how.domain.columns if how.domain else ()), how, notes)
    raw = raw_of_tables(path.stem, str(path), {"train": table}, how)
    raw.notes.add(notes)
    if path.suffix.lower() in DELIMITED:
        raw.takes = ("encoding", *TABLE_OPTIONS)
    return raw


def raw_of_tables(
    name: str,
    where: str,
    tables: dict[str, pa.Table],
    how: Reading,
) -> Raw:
    """The arrays of a source's tables, and their domain.

    Columns without names, all of them whole numbers in [0, 256) without a missing cell, are levels, column by column;
    anything else makes a domain of columns, inferred from all rows of all splits.

    Args:
        name: what to call the data set.
        where: what messages call it.
        tables: split → its rows.
        how: a domain of columns says how to encode, any other takes numbers only; kinds of columns make a domain of
            columns whatever the cells; columns named as labels are these, and no data.

    Raises:
        DataError: if the cells do not suit the domain, or make no columns.
    """
    domain, kinds = how.domain, how.columns
    raw = Raw(name, where, {}, domain=domain)
    tables = _without_labels(raw, tables, how.labels)
    rows, columns_found = (
        sum(table.num_rows for table in tables.values()),
        len(next(iter(tables.values())).columns),
    )
    raw.notes.found.append(f"{counted(rows, 'row')} of {counted(columns_found, 'column')}")
    places = {split: where if len(tables) == 1 else f"{where}: {split}" for split in tables}
    columns: tuple[Column, ...] = domain.columns if domain else ()
    if domain is None:
        rows = pa.concat_tables(tables.values(), promote_options="permissive")
        if kinds is None and _nameless(rows):
            levels = infer_table(_matrix(where, rows))
            raw.domain = levels if levels.discrete else None
        if raw.domain is None:
            columns = _find(raw, rows, kinds)
            raw.domain = Domain.table(columns)
    for split, table in tables.items():
        place = places[split]
        if not columns:
            raw.arrays[split] = _matrix(place, table)
            continue
        raw.arrays[split] = encode(table, columns, place, notes=raw.notes if domain else None)
        raw.beside[split] = table.drop_columns([c.name for c in columns if c.name in table.column_names])
    return raw


def _nameless(table: pa.Table) -> bool:
    """Whether the columns are numbers that have no names but those that the reader of .csv gives."""
    names = [f"column_{d + 1}" for d in range(table.num_columns)]
    numeric = all(is_number(cells.type) and not cells.null_count for cells in table.columns)
    return numeric and table.column_names == names


def _find(raw: Raw, rows: pa.Table, kinds: Mapping[str, str] | None) -> tuple[Column, ...]:
    """What the columns are; why, and what is left out, goes into the notes."""
    found = find_columns(rows, kinds, raw.where)
    raw.carried = tuple(found.carried)
    raw.notes.columns.update(found.reasons)
    raw.notes.ignored.extend(f"column {name!r}: {reason}" for name, reason in found.left.items())
    return tuple(found.columns)


def _without_labels(
    raw: Raw, tables: dict[str, pa.Table], names: Sequence[str] | None
) -> dict[str, pa.Table]:
    """Take the columns that are labels out of the tables, and into the raw.

    New rows, for the columns of a run, need not have them.
    """
    every = set.intersection(*(set(table.column_names) for table in tables.values()))
    if raw.domain is not None and raw.domain.columns:
        names = [name for name in names or () if name in every]
    if not names:
        return tables
    for table in tables.values():
        for name in names:
            if name not in every:
                raise DataError(
                    f"{raw.where}: no column {name!r} for a label; {nearest(name, table.column_names)}"
                )
            if table.column(name).null_count:
                row = table.column(name).is_null().to_pylist().index(True)
                raise DataError(f"{raw.where}: label {name!r}: missing in row {row}")
    with reading(raw.where):  # text may be no UTF-8
        texts = {
            name: [str(cell) for table in tables.values() for cell in table.column(name).to_pylist()]
            for name in names
        }
    codes, raw.class_names = label_codes(texts)
    cuts = np.cumsum([table.num_rows for table in tables.values()])[:-1]
    raw.labels = dict(zip(tables, np.split(codes, cuts), strict=True))
    raw.label_names = tuple(names)
    return {split: table.drop_columns(list(names)) for split, table in tables.items()}


def _matrix(where: str, table: pa.Table) -> np.ndarray:
    """Numbers alone, (N, D) float64."""
    for name, cells in zip(table.column_names, table.columns, strict=True):
        if cells.null_count:
            row = cells.is_null().to_pylist().index(True)
            raise DataError(f"{where}: column {name!r}: missing value in row {row}")
        if not (is_number(cells.type) or pa.types.is_boolean(cells.type)):
            raise DataError(f"{where}: column {name!r}: expected numbers, got {cells.type}")
    columns = zip(table.column_names, table.columns, strict=True)
    return np.stack([numbers(f"{where}: column {name!r}", cells) for name, cells in columns], axis=1)
