"""How a configuration identifies a source: by its path, from any folder, and by a checksum of its content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from chainrule.data.raw import reading
from chainrule.data.readers.idx import is_idx
from chainrule.data.readers.kinds import kind_of_folder
from chainrule.data.readers.metadata import METADATA
from chainrule.data.readers.tree import all_below
from chainrule.data.sets.named import NAMED
from chainrule.errors import DataError


def place_of(source: str | Path) -> str:
    """A source as seen from any folder: an absolute path; a name as it is."""
    path = Path(source).expanduser()
    by_name = isinstance(source, str) and source in NAMED
    return os.path.abspath(path) if not by_name and path.exists() else str(source)


def origin_of(source: str | Path, expected: str | None = None, listing: str = "") -> dict[str, str]:
    """The place of a source, and if it is a path a checksum of its files.

    Args:
        source: as for `load_data`.
        expected: the checksum that it had; None if it may have any.
        listing: stands for the checksum of a source that is too large to be read for one.

    Raises:
        DataError: if it has another one, or cannot be read.
    """
    place = place_of(source)
    if not os.path.isabs(place):
        return {"source": place}
    with reading(place):
        found = listing or checksum(Path(place))
    if expected not in (None, found):
        raise DataError(
            f"{place}: has changed since the run was trained on it (its checksum was {_brief(expected)}, is "
            f"{_brief(found)}); put it back, or name data with --data"
        )
    return {"source": place, "checksum": found}


def checksum(path: Path) -> str:
    """The SHA-256 of a file; or of a list of the files in a folder, each with its path, its size and its own SHA-256.

    Hidden files, and those that are not read, do not count.
    """
    if not path.is_dir():
        return f"sha256:{_digest(path)}"
    whole, suffixes = hashlib.sha256(), () if is_idx(path) else kind_of_folder(path).suffixes
    for name in sorted(all_below(path), key=os.fspath):
        if name.suffix.lower() in suffixes or name.name == METADATA or (not suffixes and is_idx(path / name)):
            file = path / name
            whole.update(f"{_digest(file)} {file.stat().st_size} ".encode() + os.fsencode(name) + b"\0")
    return f"sha256:{whole.hexdigest()}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _brief(checksum: str | None) -> str:
    return str(checksum).rpartition(":")[2][:8]
