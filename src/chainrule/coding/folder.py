"""A folder as one stream of bytes, and back: each file's path and size before its content."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from chainrule.coding.container import DAMAGED, varint
from chainrule.errors import ChainruleError, CodeError

PART = 1 << 20
MOST_PATH = 4096  # bytes


class Packed:
    """What `read` gives of the files below a folder, in the order of their sorted paths; empty folders are left out.

    Args:
        folder: of files; a link in it, or anything but files and folders, is refused.

    Raises:
        ChainruleError: if there are no files, or something else.
    """

    def __init__(self, folder: Path) -> None:
        found = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
        for path in found:
            if path.is_symlink() or not path.is_file():
                raise ChainruleError(f"{path}: expected files and folders only, got a link or a device")
        if not found:
            raise ChainruleError(f"{folder}: expected files, found none")
        self.size = sum(path.stat().st_size for path in found)
        self._parts, self._rest = self._read_all(folder, found), b""

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        while len(self._rest) < size:
            part = next(self._parts, None)
            if part is None:
                break
            self._rest += part
        out, self._rest = self._rest[:size], self._rest[size:]
        return out

    @staticmethod
    def _read_all(folder: Path, paths: list[Path]) -> Iterator[bytes]:
        for path in paths:
            name, size = path.relative_to(folder).as_posix().encode(), path.stat().st_size
            yield varint(len(name)) + name + varint(size)
            with path.open("rb") as file:
                while part := file.read(min(PART, size)):
                    size -= len(part)
                    yield part
            if size:
                raise ChainruleError(f"{path}: changed while it was read")
        yield varint(0)


def unpack(stream: BinaryIO, folder: Path) -> int:
    """Write the files of a packed folder; the folder appears once all of them are there.

    Args:
        stream: what `Packed` gave, to be read from where it is.
        folder: where to; there must be none yet.

    Returns:
        How many files.

    Raises:
        CodeError: if the stream is none of a folder, or a path in it leads outside.
        ChainruleError: if the folder exists.
    """
    if folder.exists():
        raise ChainruleError(f"{folder}: expected a new folder, got one that exists")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        files = _write_all(stream, Path(temporary) / "files")
        os.replace(Path(temporary) / "files", folder)
    return files


def _write_all(stream: BinaryIO, root: Path) -> int:
    files = 0
    root.mkdir()
    while size := _varint(stream):
        if size > MOST_PATH:
            raise CodeError(DAMAGED)
        path = root / _inside(_exactly(stream, size))
        path.parent.mkdir(parents=True, exist_ok=True)
        left = _varint(stream)
        with path.open("xb") as file:
            while left:
                part = _exactly(stream, min(PART, left))
                file.write(part)
                left -= len(part)
        files += 1
    return files


def _inside(name: bytes) -> PurePosixPath:
    """A relative path without ways up."""
    try:
        path = PurePosixPath(name.decode())
    except UnicodeDecodeError as error:
        raise CodeError(DAMAGED) from error
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or "\0" in str(path) or "\\" in str(path):
        raise CodeError(f"a path that leads out of the folder: {str(path)!r}")
    return path


def _exactly(stream: BinaryIO, size: int) -> bytes:
    part = stream.read(size)
    if len(part) < size:
        raise CodeError(DAMAGED)
    return part


def _varint(stream: BinaryIO) -> int:
    value = 0
    for place in range(10):
        byte = _exactly(stream, 1)[0]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value
    raise CodeError(DAMAGED)
