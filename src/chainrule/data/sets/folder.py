"""The folder that holds the named sets, and the proof that a file in it is the right one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from chainrule.data.raw import reading
from chainrule.data.sets.sources.source import content_digest
from chainrule.errors import DataError

VARIABLE = "CHAINRULE_DATA"


def data_folder(data_dir: str | Path | None = None) -> Path:
    """Where named sets are looked for: `data_dir`, else $CHAINRULE_DATA, else ~/.cache/chainrule."""
    chosen = data_dir or os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "chainrule"


def verified(
    name: str, file: str, digest: str, data_dir: str | Path | None = None, content: str | None = None
) -> Path:
    """The path of a named set's file, once its SHA-256 is found to be right, or that of its content.

    Args:
        name: of the set, for messages.
        file: relative to the data folder.
        digest: SHA-256 in hexadecimal.
        data_dir: see `data_folder`.
        content: `content_digest`, for a file that may be packed in other ways.

    Raises:
        DataError: if the file is missing, unreadable, or holds something else.
    """
    folder = data_folder(data_dir)
    path = folder / file
    if not path.is_file():
        raise DataError(
            f"{name}: no file {file} in the data folder {folder}; get it with: chainrule data get {name}; or set "
            f"--data-dir (data_dir=…) or {VARIABLE} to a folder that has it"
        )
    with reading(str(path)), path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != digest and (content is None or content_digest(path) != content):
        raise DataError(f"{path}: damaged or a different file: expected SHA-256 {digest}, found {found}")
    return path
