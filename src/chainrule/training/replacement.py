"""Replacing a run: the new one is trained beside the old one, which stays usable until then.

It is trained in `.chainrule-next` in the run's folder. To rename that is to decide: from then on the folder is the new
run's, whoever finishes the moves. Files that are not the library's stay where they are.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from chainrule.errors import RunError
from chainrule.locks import lock
from chainrule.run_files import LOCK
from chainrule.training.folder import read_config, remove_written

NEXT, READY, MOVED = ".chainrule-next", ".chainrule-ready", ".chainrule-moved"
PATIENCE = 10.0  # seconds; the moves take milliseconds


def place_beside(folder: Path, origin: dict, resume: bool) -> Path:
    """Where to train what is to replace the run in a folder: the folder itself if it is empty.

    Args:
        folder: of the run, locked.
        origin: of the data to be trained on.
        resume: whether to go on with a replacement that was interrupted.

    Raises:
        RunError: if the folder holds no run, or the data; it is left as it is.
    """
    if all(path.name.startswith(".chainrule-") for path in folder.iterdir()):
        return folder
    try:
        config = read_config(folder)
    except RunError:
        config = {}
    if "chainrule" not in config:  # other programs write a config.yaml too
        raise RunError(f"{folder}: expected a run to replace, found something else; nothing was changed")
    source = Path(os.path.realpath(origin["source"])) if "checksum" in origin else None
    if source is not None and Path(os.path.realpath(folder)) in (source, *source.parents):
        raise RunError(
            f"{folder}: holds the data to train on, {source}; nothing was changed, choose another folder"
        )
    if not resume:
        shutil.rmtree(folder / NEXT, ignore_errors=True)
    (folder / NEXT).mkdir(exist_ok=True)
    return folder / NEXT


def replacing(folder: Path) -> bool:
    """Whether a replacement of the run in a folder has been begun."""
    return (folder / NEXT).exists()


def replace(folder: Path) -> None:
    """Put the run that was trained beside the old one in its place; the folder is locked."""
    os.replace(folder / NEXT, folder / READY)
    finish(folder)


def finish(folder: Path) -> None:
    """Do what is left of a replacement that has been decided; the folder is locked. Each part may be done again."""
    ready, moved = folder / READY, folder / MOVED
    if ready.exists():
        remove_written(folder)
        os.replace(ready, moved)
    if moved.exists():
        for path in [path for path in moved.rglob("*") if path.is_file()]:
            place = folder / path.relative_to(moved)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
        shutil.rmtree(moved)


def settle(folder: Path) -> None:
    """See that a folder to be read is one run: finish a replacement whose process was killed.

    Raises:
        RunError: if that cannot be done.
    """
    if not (folder / READY).exists() and not (folder / MOVED).exists():
        return
    try:
        with lock(folder / LOCK, PATIENCE) as held:
            if held is False:
                raise RunError(f"{folder}: is being replaced by another process; try again")
            finish(folder)
    except OSError as error:
        raise RunError(
            f"{folder}: the run that replaces it has not been moved into place, and cannot be "
            f"({error.strerror}); evaluate it once as a user with write permission"
        ) from error
