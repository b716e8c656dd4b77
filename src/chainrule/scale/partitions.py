"""Folders named as Hive names them, year=2020/state=CA: columns that all rows in a folder have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from chainrule.errors import DataError

Keys = dict[str, list]  # column → [type, value]


def keys_of(place: Path, files: Sequence[Path]) -> list[tuple[str, Keys]]:
    """The folders that name columns, and these columns, of each file; whole numbers are int32 where all are such.

    Args:
        place: the folder that all files lie in.
        files: in their order.

    Raises:
        DataError: if the columns do not go together with those in the files.
    """
    folders = ["/".join(name for name in _folders(place, path) if "=" in name) for path in files]
    if not any(folders):
        return [("", {})] * len(files)
    try:
        whole = ds.dataset(
            list(map(str, files)), format="parquet", partitioning="hive", partition_base_dir=str(place)
        )
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{place}: the folders' columns and the files' do not go together ({error})"
        ) from error
    found = {}
    for fragment in whole.get_fragments():
        keys = ds.get_partition_keys(fragment.partition_expression)
        fields = [field for field in whole.schema if field.name in keys]
        found[fragment.path] = {field.name: [str(field.type), keys[field.name]] for field in fields}
    return [(folder, found[str(path)]) for folder, path in zip(folders, files, strict=True)]


def _folders(place: Path, path: Path) -> tuple[str, ...]:
    return path.parent.relative_to(place).parts
