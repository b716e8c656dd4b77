"""A run or data that are not there: refused before anything large is imported."""

from __future__ import annotations

from pathlib import Path

from chainrule.files import HUB, check_there, is_stream
from chainrule.run_files import check_run_folder


def run_there(folder: Path | None) -> Path | None:
    """The folder.

    Raises:
        RunError: if it is not there.
    """
    if folder is not None:
        check_run_folder(folder)
    return folder


def source_there(source: str | None) -> str | None:
    """The source.

    Raises:
        DataError: if it can only be a file, and is not there.
    """
    if source is not None and not source.startswith(HUB) and not is_stream(source):
        check_there(source)
    return source
