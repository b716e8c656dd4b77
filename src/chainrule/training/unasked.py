"""What of a run's configuration may be opened without being named by the user: the run may be a stranger's."""

from __future__ import annotations

from pathlib import Path

from chainrule.data.named import NAMED
from chainrule.errors import RunError


def check_unasked(folder: Path, data: dict) -> None:
    """Refuse to open the data that a configuration names, unless they are a named set or files of this machine.

    Nothing is fetched from a network because a file says so, and no device or pipe is read.

    Args:
        folder: of the run.
        data: of its configuration.

    Raises:
        RunError: naming the option that opens them.
    """
    source = data["source"]
    if source in NAMED:
        return
    path = Path(source).expanduser()
    remote = source.startswith(("hf:", "//", "\\\\")) or "://" in source
    if remote or (path.exists() and not (path.is_file() or path.is_dir())):
        raise RunError(
            f"{folder}: says it was trained on {source}, which is not opened unasked; if you trust it: --data {source}"
        )
