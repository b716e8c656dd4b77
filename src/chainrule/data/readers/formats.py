"""`READERS`: what reads a file, by the ending of its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chainrule.data.notes import Notes
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.arrays import read_arrays
from chainrule.data.readers.columnar import read_columnar
from chainrule.data.readers.hdf5 import read_hdf5
from chainrule.data.readers.idx import is_idx, read_idx
from chainrule.data.readers.kinds import KINDS, kind_of_folder
from chainrule.data.readers.matlab import read_mat
from chainrule.data.readers.table import read_table
from chainrule.data.readers.text import of_bytes, read_text
from chainrule.data.readers.unpack import PACKED, is_packed, unpacked
from chainrule.data.reading import Reading
from chainrule.errors import DataError
from chainrule.plugins import entries, load_entry


def _read_numpy(path: Path, how: Reading) -> Raw:
    return read_arrays(path, how)


Reader = Callable[[Path, Reading], Raw]
# Ending → what reads such a file. Add your own: READERS[".toy"] = read_toy, or an entry point of the group
# `chainrule.readers` whose name is the ending. A reader takes the path and the options, and returns a `Raw`. Whatever
# it raises becomes one line that names the file.
READERS: dict[str, Reader] = {
    ".npy": _read_numpy,
    ".npz": _read_numpy,
    ".mat": read_mat,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".csv": read_table,
    ".tsv": read_table,
    ".parquet": read_columnar,
    ".pq": read_columnar,
    ".feather": read_columnar,
    ".arrow": read_columnar,
    **{suffix: kind for kind in KINDS for suffix in kind.suffixes},
}


def suffixes() -> tuple[str, ...]:
    """The endings of all files that can be read."""
    return (*READERS, *(name for name in entries("readers") if name not in READERS), *PACKED)


def reader_of(suffix: str) -> Reader | None:
    """What reads files of an ending, from `READERS` or another installed package; None if nothing does.

    Raises:
        ChainruleError: if the package cannot be imported.
    """
    if suffix not in READERS and (entry := entries("readers").get(suffix)) is not None:
        READERS[suffix] = load_entry(entry)
    return READERS.get(suffix)


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
        if path.is_dir():
            return kind_of_folder(path)(path, how)
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty")
        suffix = path.suffix.lower()
        if (reader := reader_of(suffix)) is not None:
            return reader(path, how)
        if of_bytes(how.domain):
            return read_text(path, how)
    raise DataError(
        f"{path}: expected a folder of images, recordings, MIDI files or texts, IDX, or one of "
        f"{', '.join(suffixes())}, got {suffix or 'no suffix'}; a model of bytes reads any file: "
        "--domain sequence:64:256"
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
