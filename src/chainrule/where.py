"""What stands for a run: a folder, a packed file, a model that comes with the library, one on the hub."""

from __future__ import annotations

from pathlib import Path

from chainrule import hub, zoo
from chainrule.errors import RunError
from chainrule.portable import SUFFIX, unpacked

CONTEXTS = "contexts"  # the name by which `compress` does without a run


def check_there(run: str | Path) -> None:
    """Refuse what cannot be a run; nothing is read or fetched.

    Raises:
        RunError: if there is no such folder, file or trained model.
    """
    name = str(run)
    if name.startswith(zoo.PREFIX):
        zoo.file_of(name.removeprefix(zoo.PREFIX))
    elif name != CONTEXTS and not name.startswith(hub.PREFIX) and not Path(run).exists():
        raise RunError(
            f"{run}: no such run; expected a run folder, a {SUFFIX} file, {zoo.PREFIX}NAME or {hub.PREFIX}USER/NAME"
        )


def packed_file(run: str) -> Path:
    """The file of a packed run.

    Raises:
        RunError: if it is not a file.
    """
    check_there(run)
    path = zoo.file_of(run.removeprefix(zoo.PREFIX)) if run.startswith(zoo.PREFIX) else Path(run)
    if not path.is_file():
        raise RunError(f"{run}: expected a packed run, a {SUFFIX} file or {zoo.PREFIX}NAME")
    return path


def locate(run: str | Path) -> Path:
    """The folder of a run. What is in one file is unpacked into the user's cache, what is on the hub is fetched there.

    Args:
        run: a run folder, a `.chainrule` file, "zoo:NAME" or "hf://USER/NAME@REVISION".

    Raises:
        RunError: if there is no such run, or the file is damaged.
    """
    check_there(run)
    name = str(run)
    if name.startswith(hub.PREFIX):
        return hub.pull(name)
    if name == CONTEXTS:
        raise RunError(f"{CONTEXTS}: expected a run, got the name that only `compress` and `decompress` know")
    return Path(run) if Path(run).is_dir() else unpacked(packed_file(name))


def beside(run: str | Path) -> Path:
    """The folder for what is made of a run: its own, or the current one where the run is not in a folder."""
    return Path(run) if Path(run).is_dir() else Path()
