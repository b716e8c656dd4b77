"""NumPy files: .npy with one array, .npz with one array or a split of its own."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from chainrule.data.large.arrays import ArrayRows
from chainrule.data.large.kept import listing
from chainrule.data.limits import check_size, in_parts
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.naming import Header, raw_of_arrays
from chainrule.data.reading import Reading
from chainrule.errors import DataError

MAGIC, PACKED = b"\x93NUMPY", b"PK"
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # but for the encoding of names of fields
}


def read_arrays(path: Path, how: Reading) -> Raw:
    """Read a .npy or .npz file; nothing in it is ever unpickled. A large .npy stays in its file.

    See `raw_of_arrays` for the names of arrays in an .npz.

    Raises:
        DataError: if it is no NumPy file, is damaged, holds objects, or names no array that is known.
    """
    with reading(str(path)):
        with path.open("rb") as stream:
            start = stream.read(6)
            if start == MAGIC:
                stream.seek(0)
                header = _checked(str(path), stream, path.stat().st_size)
                if header.shape and in_parts(header.bytes, how.in_parts):
                    raw = Raw(path.stem, str(path), {"train": ArrayRows(path)})
                    raw.notes.found.append(f"{header}, read when its rows are asked for")
                    raw.listing = listing(path, [path])
                    return raw
                stream.seek(0)
                return Raw(path.stem, str(path), {"train": _array(str(path), stream, path.stat().st_size)})
        if not start.startswith(PACKED):
            raise DataError(f"{path}: not a NumPy file")
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            headers = {}
            for name, info in members.items():
                with archive.open(info) as stream:
                    headers[name] = _header(stream, info.file_size)
            return raw_of_arrays(path.stem, str(path), headers, partial(_member, path, archive, members))


def _member(
    path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str
) -> np.ndarray:
    with archive.open(members[name]) as stream:
        return _array(f"{path}: array {name}", stream, members[name].file_size)


def _array(where: str, stream: IO[bytes], size: int) -> np.ndarray:
    """One array of a stream of `size` bytes, after its header is checked."""
    check_size(where, _checked(where, stream, size).bytes)
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _checked(where: str, stream: IO[bytes], size: int) -> Header:
    header = _header(stream, size)
    if header.problem:
        raise DataError(f"{where}: {header.problem}")
    return header


def _header(stream: IO[bytes], size: int) -> Header:
    """The header at the start of a stream of `size` bytes."""
    if stream.read(6) != MAGIC:
        return Header((), "no array", 0, "expected a NumPy array, got something else")
    stream.seek(0)
    read = HEADERS.get(np.lib.format.read_magic(stream))
    if read is None:
        return Header((), "an array", 0, "is of a version of NumPy's format that is not known")
    shape, _, kind = read(stream)
    header = Header(shape, str(kind), kind.itemsize)
    if kind.hasobject:
        return Header(shape, "objects", 0, "holds Python objects, which are not read; save numbers")
    there = size - stream.tell()
    if header.bytes > there or any(length < 0 for length in shape):
        return Header(
            shape, str(kind), 0, f"damaged: {header} needs {header.bytes:,} bytes, there are {there:,}"
        )
    return header
