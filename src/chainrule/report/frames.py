"""Rows of a table into a file, some at a time: the file is that of all rows at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from torch import Tensor

from chainrule.data import decode
from chainrule.domain.column import Column
from chainrule.files import scratch
from chainrule.report.frame import as_csv, write_frame

if TYPE_CHECKING:
    import pandas as pd


def write_frames(
    parts: Iterable[Tensor], path: Path, columns: Sequence[Column], *, safe_csv: bool = False
) -> None:
    """Write rows as .csv or .parquet, into a file that is temporary anyway.

    The type of a column depends on all of its cells: whole numbers are no floats unless one has a fraction. So the rows
    wait in a folder until all types are known.

    Args:
        parts: the rows (m, D), one part after another.
        path: of the file.
        columns: D of them.
        safe_csv: see `as_csv`.
    """
    types: list[Any] = []
    schemas: list[pa.Schema] = []
    with scratch() as folder:
        for number, rows in enumerate(parts):
            np.save(folder / f"{number}.npy", rows.cpu().numpy(), allow_pickle=False)
            frame = decode(rows, columns)
            types.append(frame.dtypes)
            schemas.append(pa.Schema.from_pandas(frame, preserve_index=False))
        frames = (
            decode(np.load(folder / f"{number}.npy", allow_pickle=False), columns)
            for number in range(len(types))
        )
        if len(types) == 1:
            write_frame(next(frames), path, columns, safe_csv=safe_csv)
        elif path.suffix.lower() == ".csv":
            common = {column.name: _common([own[column.name] for own in types]) for column in columns}
            with path.open("w", encoding="utf-8") as file:
                for number, frame in enumerate(frames):
                    file.write(as_csv(frame.astype(common), columns, safe=safe_csv, header=not number))
        else:
            _write_parquet(frames, path, pa.unify_schemas(schemas, promote_options="permissive"))


def _common(kinds: Sequence[Any]) -> Any:
    """The pandas type that holds a column's cells of all parts."""
    if any(kind == np.float64 for kind in kinds):
        return np.dtype(np.float64)
    nullable = [kind for kind in kinds if not isinstance(kind, np.dtype)]
    return nullable[0] if nullable else np.result_type(*kinds)


def _write_parquet(frames: Iterator[pd.DataFrame], path: Path, schema: pa.Schema) -> None:
    """A group of rows for each part."""
    with parquet.ParquetWriter(path, schema) as writer:
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
