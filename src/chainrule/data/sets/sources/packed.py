"""Single members of downloaded archives, read into memory within a bound; nothing is unpacked to disk."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from chainrule.errors import DataError

MOST = 1 << 28  # bytes of a member


def members(path: Path, pattern: str) -> Iterator[tuple[re.Match[str], bytes]]:
    """The regular files of a .tar.gz whose whole name the pattern matches: the match, and the bytes.

    Raises:
        DataError: on one that is too large, or if there is none.
    """
    found = False
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            match = re.fullmatch(pattern, member.name)
            if match is None or not member.isfile():
                continue
            if member.size > MOST:
                raise DataError(f"{path}: {member.name} has {member.size:,} bytes, expected at most {MOST:,}")
            stream = archive.extractfile(member)
            assert stream is not None  # a regular file
            found = True
            yield match, stream.read()
    if not found:
        raise DataError(f"{path}: holds no file {pattern}")


def member(path: Path, name: str) -> bytes:
    """The one file of this name."""
    return next(members(path, re.escape(name)))[1]
