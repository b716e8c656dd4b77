"""The folder that holds the named sets, and the proof that a file in it is the right one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from chainrule.data.raw import reading
from chainrule.errors import DataError

VARIABLE = "CHAINRULE_DATA"


def data_folder(data_dir: str | Path | None = None) -> Path:
    """Where named sets are looked for: `data_dir`, else $CHAINRULE_DATA, else ~/.cache/chainrule."""
    chosen = data_dir or os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "chainrule"


def verified(name: str, file: str, digest: str, data_dir: str | Path | None = None) -> Path:
    """The path of a named set's file, once its SHA-256 is found to be right.

    Args:
        name: of the set, for messages.
        file: relative to the data folder.
        digest: SHA-256 in hexadecimal.
        data_dir: see `data_folder`.

    Raises:
        DataError: if the file is missing, unreadable, or has another digest.
    """
    folder = data_folder(data_dir)
    path = folder / file
    if not path.is_file():
        raise DataError(
            f"{name}: no file {file} in the data folder {folder}; set --data-dir (data_dir=…) or {VARIABLE} "
            f"to a folder that has it, or load a set from the Hugging Face hub with hf:NAME"
        )
    with reading(str(path)), path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != digest:
        raise DataError(f"{path}: damaged or another file: expected SHA-256 {digest}, found {found}")
    return path
