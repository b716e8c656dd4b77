"""Paths in a packed folder: which of them a system can make, and which lead out of the folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

MOST = 4096  # bytes of a path
# Windows opens these wherever they are, with any ending, instead of a file.
DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
FORBIDDEN = re.compile(r'[<>"|?*]')


def fault_of(name: str, *, windows: bool) -> str | None:
    """What is wrong with a relative path with / between its parts; None if it can be made inside a folder.

    Args:
        name: the path.
        windows: whether it is to be made by Windows as well.
    """
    parts = PurePosixPath(name).parts
    try:
        if len(name.encode()) > MOST:
            return f"it is longer than {MOST} bytes"
    except UnicodeEncodeError:
        return "it is not valid UTF-8"
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        return "it leads out of the folder"
    if "\\" in name:
        return "its backslash leads out of the folder on Windows"
    if not windows:
        return None
    for part in parts:
        if ":" in part:
            return "its colon names a drive or a stream on Windows"
        if FORBIDDEN.search(part) or any(ord(letter) < 32 or ord(letter) == 127 for letter in part):
            return "it has a character that Windows does not allow"
        if part.endswith((".", " ")):
            return "Windows drops the dot or space at its end"
        if DEVICES.fullmatch(part):
            return "it is the name of a device on Windows"
    return None
