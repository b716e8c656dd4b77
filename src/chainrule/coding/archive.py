"""A folder as one stream of bytes, and back: each file's path and size before its content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from chainrule.coding.container import DAMAGED, TELLING, varint
from chainrule.coding.names import MOST, fault_of
from chainrule.errors import ChainruleError, CodeError
from chainrule.files import atomic_folder

PART = 1 << 20
EXECUTE = 0o100  # of who owns a file


class Packed:
    """What `read` gives of the files below a folder, in the order of their sorted paths; empty folders are left out.

    Args:
        folder: of files; a link in it, or anything but files and folders, is refused.

    Raises:
        ChainruleError: if there are no files, something else, or a name that `unpack` would refuse on some system.
    """

    def __init__(self, folder: Path) -> None:
        found = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
        for path in found:
            if path.is_symlink() or not path.is_file():
                raise ChainruleError(f"{path}: expected files and folders only, got a link or a device")
            if fault := fault_of(name := path.relative_to(folder).as_posix(), windows=True):
                raise ChainruleError(f"{name!r}: such a name cannot be packed, {fault}; rename it")
        if not found:
            raise ChainruleError(f"{folder}: expected files, found none")
        files = [(path, path.stat()) for path in found]
        self.size = sum(status.st_size for _, status in files)
        self._parts, self._rest = self._read_all(folder, files), b""

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
    def _read_all(folder: Path, files: list[tuple[Path, os.stat_result]]) -> Iterator[bytes]:
        for path, status in files:
            name, left = path.relative_to(folder).as_posix().encode(), status.st_size
            yield varint(len(name)) + name + varint(2 * left + bool(status.st_mode & EXECUTE))
            with path.open("rb") as file:
                while part := file.read(min(PART, left)):
                    left -= len(part)
                    yield part
                if left or file.read(1):
                    raise ChainruleError(f"{path}: changed while it was read")
        yield varint(0)


def unpack(stream: BinaryIO, folder: Path, version: int = TELLING) -> int:
    """Write the files of a packed folder; the folder appears once all of them are there.

    Args:
        stream: what `Packed` gave, to be read from where it is.
        folder: where to; there must be none yet.
        version: of the format; before `TELLING` only the size of a file was stored.

    Returns:
        How many files.

    Raises:
        CodeError: if the stream is none of a folder, or a path in it leads outside.
        ChainruleError: if the folder exists.
    """
    files = 0
    with atomic_folder(folder) as root:
        while size := _varint(stream):
            if size > MOST:
                raise CodeError(DAMAGED)
            path = root / inside(_exactly(stream, size))
            path.parent.mkdir(parents=True, exist_ok=True)
            left, executable = divmod(_varint(stream), 2) if version >= TELLING else (_varint(stream), 0)
            with path.open("xb") as file:
                while left:
                    part = _exactly(stream, min(PART, left))
                    file.write(part)
                    left -= len(part)
            if executable:  # by all who may read it
                mode = path.stat().st_mode
                path.chmod(mode | (mode & 0o444) >> 2)
            files += 1
    return files


def inside(name: bytes) -> PurePosixPath:
    """A relative path that this system can make, without ways up."""
    try:
        path = name.decode()
    except UnicodeDecodeError as error:
        raise CodeError(DAMAGED) from error
    if fault := fault_of(path, windows=os.name == "nt"):
        raise CodeError(f"a path that cannot be created, {fault}: {path!r}")
    return PurePosixPath(path)


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
