"""Row ranges of Parquet files: what is worked on at once, whoever does it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chainrule.errors import DataError

ROWS = 1 << 16  # of a part, at most
ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True)
class Part:
    """Rows first … first + rows of a row group of a file; or, without a file, rows to be drawn.

    Attributes:
        number: of the part, in the order of files and rows.
        path: of the file; empty for none.
        group: the row group.
        first: its first row in the group.
        rows: how many.
    """

    number: int
    path: str
    group: int
    first: int
    rows: int

    @property
    def name(self) -> str:
        """The name of the file that is made of it."""
        return f"part-{self.number:06d}.parquet"

    def read(self) -> pa.Table:
        """The rows."""
        return pq.ParquetFile(self.path).read_row_group(self.group).slice(self.first, self.rows)

    def to_dict(self) -> dict[str, Any]:
        """As engines pass it on."""
        return asdict(self)


def parts_of(source: str | Path, rows: int = ROWS) -> list[Part]:
    """The parts of a Parquet file, or of all in a folder: they depend on the files alone, not on who works on them.

    Raises:
        DataError: if there are none, or one cannot be read.
    """
    place = Path(source).expanduser()
    files = sorted(path for path in place.rglob("*") if path.suffix in ENDINGS) if place.is_dir() else [place]
    if not files or not all(path.is_file() and path.suffix in ENDINGS for path in files):
        raise DataError(f"{source}: expected a Parquet file, or a folder of them")
    found: list[Part] = []
    for path in files:
        try:
            about = pq.ParquetFile(path).metadata
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{path}: not a readable Parquet file ({error})") from error
        for group in range(about.num_row_groups):
            there = about.row_group(group).num_rows
            for first in range(0, there, rows):
                found.append(Part(len(found), str(path), group, first, min(rows, there - first)))
    return found


def drawn_parts(n: int, rows: int = ROWS) -> list[Part]:
    """Parts of rows to be drawn."""
    return [Part(k, "", 0, first, min(rows, n - first)) for k, first in enumerate(range(0, n, rows))]
