"""The formats of single files, by suffix: what reads each. A new one is one more line of `READERS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chainrule.data.notes import Notes
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.arrays import read_arrays
from chainrule.data.readers.hdf5 import read_hdf5
from chainrule.data.readers.hub import needs_hub, read_hub
from chainrule.data.readers.idx import is_idx, read_idx
from chainrule.data.readers.kinds import KINDS, read_path
from chainrule.data.readers.matlab import read_mat
from chainrule.data.readers.table import read_table
from chainrule.data.readers.text import of_bytes, read_text
from chainrule.data.readers.unpack import PACKED, is_packed, unpacked
from chainrule.data.reading import Reading
from chainrule.errors import DataError


def _read_parquet(path: Path, how: Reading) -> Raw:
    return read_hub(str(path), str(path), how) if needs_hub(path) else read_table(path, how)


def _read_numpy(path: Path, how: Reading) -> Raw:
    return read_arrays(path)


READERS: dict[str, Callable[[Path, Reading], Raw]] = {
    ".npy": _read_numpy,
    ".npz": _read_numpy,
    ".mat": read_mat,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".csv": read_table,
    ".tsv": read_table,
    ".parquet": _read_parquet,
    ".feather": read_table,
    ".arrow": read_table,
}
SUFFIXES = (*READERS, *(suffix for kind in KINDS for suffix in kind.suffixes), *PACKED)


def read_source(path: Path, how: Reading) -> Raw:
    """Read a file or a folder.

    Raises:
        DataError: if it is of no known format, empty, too large or damaged.
    """
    with reading(str(path)):
        if is_idx(path):
            return read_idx(path, how)
        if is_packed(path):
            return _read_packed(path, how)
        if not path.is_dir() and path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty")
    raw = read_path(path, how)
    if raw is not None:
        return raw
    suffix = path.suffix.lower()
    if suffix in READERS:
        return READERS[suffix](path, how)
    if of_bytes(how.domain):
        return read_text(path, how)
    raise DataError(
        f"{path}: expected a folder of images, recordings, MIDI files or texts, IDX, or one of {', '.join(SUFFIXES)}, "
        f"got {suffix or 'no suffix'}; a model of bytes reads any file: --domain sequence:64:256"
    )


def _read_packed(path: Path, how: Reading) -> Raw:
    notes = Notes()
    with unpacked(path, notes) as inner:
        if is_packed(inner):
            raise DataError(f"{path}: holds {inner.name}, which is packed too; unpack it first")
        try:
            raw = read_source(inner, how)
        except DataError as error:
            raise DataError(str(error).replace(str(inner), f"{path}: {inner.name}")) from error
    raw.where = str(path)
    raw.name = path.stem if path.suffix.lower() == ".zip" else Path(path.stem).stem
    raw.notes.found[:0] = notes.found
    raw.notes.ignored[:0] = notes.ignored
    return raw
