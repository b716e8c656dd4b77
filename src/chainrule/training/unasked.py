"""Which data of a run's configuration may be opened without the user naming them: the run may come from anyone."""

from __future__ import annotations

from pathlib import Path

from chainrule.data.sets.named import NAMED
from chainrule.errors import RunError

REMOTE = ("hf:", "//", "\\\\")  # the hub, and shares of other machines as Windows writes them


def check_unasked(run: str, data: dict) -> None:
    """Refuse to open the data that a configuration names, unless they are a named set or files with a checksum.

    Nothing is fetched from a network because a file says so, and no device or pipe is read. Whoever gives the checksum
    of a file knows the file; `load_data` sees whether it is right.

    Args:
        run: its name, for messages.
        data: of its configuration.

    Raises:
        RunError: naming the option that opens them.
    """
    source = data["source"]
    if not isinstance(source, str) or source in NAMED:  # anything but text is refused by the reader
        return
    path = Path(source).expanduser()
    remote = source.startswith(REMOTE) or "://" in source
    if not remote and "checksum" in data and not path.exists():
        raise RunError(f"{run}: its data are no longer at {source}; give them with --data")
    if remote or "checksum" not in data or not (path.is_file() or path.is_dir()):
        raise RunError(
            f"{run}: its configuration says it was trained on {source}; to open that file, give it: --data {source}"
        )
