"""Tables in parts: the row groups of Parquet files, the batches of Arrow files, found by pyarrow.dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from pyarrow import dataset as arrow_dataset
from torch import Tensor

from chainrule.data.categories import encode
from chainrule.data.large.stored import Blocks
from chainrule.data.notes import Notes
from chainrule.data.raw import reading
from chainrule.data.readers.arrow import as_arrow
from chainrule.data.readers.tree import files_below
from chainrule.domain.column import Column
from chainrule.errors import DataError

FORMATS = {".parquet": "parquet", ".pq": "parquet", ".feather": "ipc", ".arrow": "ipc"}


@dataclass(frozen=True)
class Part:
    """Rows of one file that are read together.

    Attributes:
        fragment: pyarrow's, of a row group or a file.
        schema: of all parts, partition columns with them.
        rows: how many.
        where: what messages call it.
    """

    fragment: Any
    schema: pa.Schema
    rows: int
    where: str

    def read(self, notes: Notes | None = None) -> pa.Table:
        """The rows, as the reader of tables gives them."""
        with reading(self.where):
            table = self.fragment.to_table(schema=self.schema, use_threads=False)
        return as_arrow(table, notes=notes or Notes())

    def column(self, name: str) -> pa.ChunkedArray:
        """The cells of one column."""
        with reading(self.where):
            return self.fragment.to_table(schema=self.schema, columns=[name], use_threads=False).column(0)


def table_files(path: Path) -> list[Path]:
    """The files of a table: itself, or those below a folder, of the ending that most have."""
    if not path.is_dir():
        return [path]
    files = [path / name for name in files_below(path, FORMATS)]
    formats = {FORMATS[file.suffix.lower()] for file in files}
    if len(formats) > 1:
        raise DataError(f"{path}: holds both Parquet and Arrow files; keep each kind in its own folder")
    return files


def parts_of(
    where: str, files: Sequence[str], kind: str, root: Path | None = None, filesystem: Any = None
) -> list[Part]:
    """The parts of files, in their order; of names such as year=2020 of folders below a root columns are made.

    Args:
        where: what messages call them.
        files: their paths.
        kind: "parquet" or "ipc".
        root: of folders that are columns.
        filesystem: of fsspec, if they are elsewhere.

    Raises:
        DataError: if one cannot be read, their columns differ, or they have no rows.
    """
    parts: list[Part] = []
    with reading(where):
        options = {} if root is None else {"partitioning": "hive", "partition_base_dir": str(root)}
        found = arrow_dataset.dataset(list(files), format=kind, filesystem=filesystem, **options)
        for fragment in found.get_fragments():
            for one, rows, name in _divided(fragment, kind):
                if rows:
                    parts.append(Part(one, found.schema, rows, name))
    if not parts:
        raise DataError(f"{where}: holds no rows")
    return parts


def _divided(fragment: Any, kind: str) -> Iterator[tuple[Any, int, str]]:
    """The row groups of a Parquet file; an Arrow file as a whole."""
    if kind != "parquet":
        yield fragment, fragment.count_rows(), fragment.path
        return
    for one in fragment.split_by_row_group():
        (group,) = one.row_groups  # the fragment itself counts the rows of its file
        yield one, group.num_rows, f"{fragment.path}, row group {group.id}"


class TableRows(Blocks):
    """The cells (N, D) float64 of a table in parts, as a model of its columns takes them.

    Args:
        parts: of the table.
        columns: what they are.
    """

    def __init__(self, parts: Sequence[Part], columns: Sequence[Column]) -> None:
        super().__init__([part.rows for part in parts], [len(columns)], torch.float64)
        self.parts, self.columns = list(parts), tuple(columns)

    def load(self, block: int) -> Tensor:
        """The cells of a part."""
        return cells_of(self.parts[block].read(), self.columns, self.parts[block].where)


def cells_of(table: pa.Table, columns: Iterable[Column], where: str) -> Tensor:
    """The cells of some rows, (n, D) float64."""
    return torch.from_numpy(encode(table, tuple(columns), where, notes=Notes()))
