"""Packed sources: .gz holds one file, .zip a file or a folder; unpacked within bounds, to a place that vanishes."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from chainrule.coding.names import fault_of
from chainrule.data.limits import check_size, most_bytes
from chainrule.data.notes import Notes, counted, listed
from chainrule.data.raw import reading
from chainrule.errors import DataError
from chainrule.files import scratch

PACKED = (".gz", ".zip")
MOST = 1_000_000  # files
CHUNK = 1 << 20


def is_packed(path: Path) -> bool:
    """Whether a file holds others."""
    return path.suffix.lower() in PACKED and path.is_file()


@contextmanager
def unpacked(path: Path, notes: Notes) -> Iterator[Path]:
    """The file or the folder that a packed file holds.

    Args:
        path: the packed file.
        notes: records what it holds, and what is left out.

    Raises:
        DataError: if it is damaged, holds nothing, more than may be, or names that lead elsewhere.
    """
    with scratch() as folder:
        with reading(str(path)):
            inner = _unzip(path, folder, notes) if path.suffix.lower() == ".zip" else folder / path.stem
            if path.suffix.lower() == ".gz":
                with gzip.open(path) as stream, inner.open("wb") as target:
                    _copy(str(path), stream, target)
        notes.found.append(f"unpacked {path.name}: {_said(inner)}")
        yield inner


def content_of(path: Path) -> bytes:
    """The bytes of a file, or of the one that a .gz holds.

    Raises:
        DataError: if these are more than may be.
    """
    if path.suffix.lower() != ".gz":
        check_size(str(path), path.stat().st_size)
        return path.read_bytes()
    most = most_bytes()
    with gzip.open(path) as stream:
        content = stream.read(most + 1)
    check_size(str(path), len(content))
    return content


def _copy(where: str, stream: IO[bytes] | gzip.GzipFile, target: IO[bytes]) -> None:
    while chunk := stream.read(CHUNK):
        target.write(chunk)
        check_size(where, target.tell())


def _unzip(path: Path, folder: Path, notes: Notes) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if len(members) > MOST:
            raise DataError(f"{path}: holds {len(members):,} files, at most {MOST:,} are read")
        check_size(str(path), sum(info.file_size for info in members))
        kept, hidden = {}, []
        for info in members:
            name = _safe(path, info)
            if any(part.startswith(".") or part == "__MACOSX" for part in name.parts):
                hidden.append(info.filename)
            elif name in kept:
                raise DataError(f"{path}: holds {info.filename!r} twice")
            else:
                kept[name] = info
        if not kept:
            raise DataError(f"{path}: holds no files")
        if hidden:
            notes.ignored.append(f"{counted(len(hidden), 'hidden file')}: {listed(hidden)}")
        for name, info in kept.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as stream, place.open("xb") as target:
                shutil.copyfileobj(stream, target, CHUNK)  # no more than the size that it says
    if len(kept) == 1:
        return folder / next(iter(kept))
    tops = {name.parts[0] for name in kept}
    return folder / tops.pop() if len(tops) == 1 else folder


def _safe(path: Path, info: zipfile.ZipInfo) -> PurePosixPath:
    """The name of a member, once it is one below the folder, of a plain file that needs no password."""
    if fault := fault_of(info.filename, windows=os.name == "nt"):
        raise DataError(f"{path}: holds {info.filename[:80]!r}: {fault}")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise DataError(f"{path}: holds {info.filename!r}, which is a link or a device; pack the file itself")
    if info.flag_bits & 1:
        raise DataError(f"{path}: {info.filename!r} needs a password; unpack it first")
    return PurePosixPath(info.filename)


def _said(inner: Path) -> str:
    return inner.name if inner.is_file() else "a folder"
