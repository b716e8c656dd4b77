"""Parquet and Arrow files: tables, or the images and classes of a hub's set."""

from __future__ import annotations

from pathlib import Path

from chainrule.data.large.kept import listing
from chainrule.data.large.read_tables import read_tables
from chainrule.data.large.stored import Stored
from chainrule.data.large.tables import table_files
from chainrule.data.raw import Raw
from chainrule.data.readers.hub import needs_hub, read_hub
from chainrule.data.reading import Reading


def read_columnar(path: Path, how: Reading) -> Raw:
    """Read a file, or a folder of them.

    Raises:
        DataError: as `read_tables` and `read_hub`.
    """
    files = table_files(path)
    if not (files and files[0].suffix.lower() == ".parquet" and needs_hub(files[0])):
        return read_tables(path, files, how)
    raw = read_hub(str(path), str(path), how)
    if isinstance(raw.arrays["train"], Stored):
        raw.listing = listing(path, files)
    return raw
