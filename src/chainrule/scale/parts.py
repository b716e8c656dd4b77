"""Row ranges of Parquet files: what is worked on at once, whoever does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chainrule.errors import DataError
from chainrule.scale.partitions import keys_of

ROWS = 1 << 16  # of a part, at most
ENDINGS = (".parquet", ".pq")
PACKED = ".chr"


@dataclass(frozen=True)
class Part:
    """Rows first … first + rows of a row group of a file; or a file that is no table; or, without one, rows to draw.

    Attributes:
        number: of the part, in the order of files and rows.
        path: of the file; empty for none.
        group: the row group.
        first: its first row in the group.
        rows: how many.
        start: the number of its first row in the file, or among all that are drawn.
        folder: of the file below the source, such as "year=2020", as far as it says what all rows in it have in common.
        keys: what the rows have in common, {column: [type, value]} as JSON.
    """

    number: int
    path: str
    group: int
    first: int
    rows: int
    start: int = 0
    folder: str = ""
    keys: str = "{}"

    def name(self, verb: str) -> str:
        """The name of the file that is made of it, in the folder of the results."""
        if verb == "decompress":
            return str(PurePosixPath(self.folder) / f"{Path(self.path).stem}.parquet")
        if verb == "compress":
            return str(PurePosixPath(self.folder) / f"part-{self.number:06d}{PACKED}")
        return f"part-{self.number:06d}.parquet"

    @property
    def where(self) -> str:
        """What messages call it."""
        if self.path.endswith(PACKED):
            return self.path
        return f"{self.path or 'drawn'}, rows {self.start} to {self.start + self.rows - 1}"

    @property
    def common(self) -> dict[str, list]:
        """`keys`, read."""
        return json.loads(self.keys)

    def read(self) -> pa.Table:
        """The rows, with the columns that folders have in their names."""
        table = _group(self.path, self.group, Path(self.path).stat().st_mtime_ns)
        table = table.slice(self.first, self.rows)
        for name, (kind, value) in self.common.items():
            if name not in table.column_names:
                cells = pa.array([value], pa.type_for_alias(kind)).take(pa.array([0] * len(table)))
                table = table.append_column(name, cells)
        return table

    def to_dict(self) -> dict[str, Any]:
        """As engines pass it on."""
        return asdict(self)


@lru_cache(maxsize=1)  # parts of a group follow one another
def _group(path: str, group: int, changed: int) -> pa.Table:
    return pq.ParquetFile(path).read_row_group(group)


def parts_of(source: str | Path, rows: int = ROWS) -> list[Part]:
    """The parts of a Parquet file, or of all in a folder: they depend on the files alone, not on who works on them.

    Folders such as year=2020, as Hive names them, are columns. Names that begin with . or _ are passed over.

    Raises:
        DataError: if there are none, or one cannot be read.
    """
    place = Path(source).expanduser()
    files = sorted(_files(place)) if place.is_dir() else [place]
    if not files or not all(path.is_file() and path.suffix in ENDINGS for path in files):
        raise DataError(f"{source}: expected a Parquet file, or a folder of them")
    metadata = [_metadata(path) for path in files]
    common = keys_of(place, files) if place.is_dir() else [("", {})] * len(files)
    found: list[Part] = []
    for path, about, (folder, keys) in zip(files, metadata, common, strict=True):
        start = 0
        for group in range(about.num_row_groups):
            there = about.row_group(group).num_rows
            for first in range(0, there, rows):
                own = min(rows, there - first)
                found.append(
                    Part(len(found), str(path), group, first, own, start + first, folder, json.dumps(keys))
                )
            start += there
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(name[0] in "._" for name in path.relative_to(folder).parts)
        if path.suffix in ENDINGS and not hidden:
            yield path


def _metadata(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error


def drawn_parts(n: int, rows: int = ROWS) -> list[Part]:
    """Parts of rows to be drawn."""
    return [Part(k, "", 0, 0, min(rows, n - first), start=first) for k, first in enumerate(range(0, n, rows))]


def packed_parts(source: str | Path, files: dict[str, int]) -> list[Part]:
    """Parts that are compressed files.

    Args:
        source: the folder.
        files: the rows of each by name.

    Raises:
        DataError: if one is not there.
    """
    found = [
        Part(k, str(Path(source) / name), 0, 0, rows, folder=str(PurePosixPath(name).parent))
        for k, (name, rows) in enumerate(files.items())
    ]
    if missing := [part.path for part in found if not Path(part.path).is_file()]:
        raise DataError(f"{source}: {len(missing)} of {len(found)} parts are not there, such as {missing[0]}")
    return found
