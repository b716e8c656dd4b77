"""What belongs to a run folder: the files that the library writes there, and the lock of who trains in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import yaml

from chainrule.errors import RunError
from chainrule.files import write_text
from chainrule.locks import lock
from chainrule.run_files import CONFIG, LAST, LOCK, TRIALS, WRITTEN
from chainrule.training.yaml_text import read_yaml


def written(folder: Path) -> list[Path]:
    """The files in a run folder that are the library's; all others are the user's."""
    trials = [path for path in (folder / TRIALS).glob("*") if path.name.isdigit()]
    paths = [place / name for place in (folder, *trials) for name in WRITTEN]
    return [path for path in paths if path.is_file() or path.is_symlink()]


def remove_written(folder: Path) -> None:
    """Remove these files, and the folders they were in, if these are empty then."""
    for path in written(folder):
        path.unlink()
    places = [folder, *(path for path in (folder / TRIALS).glob("*") if path.name.isdigit())]
    for path in (*(place / LAST.parent for place in places), *places[1:], folder / TRIALS):
        _remove_if_empty(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a run folder to this process, while it trains there; it is made if there is none.

    Raises:
        RunError: if another process trains there, or the folder cannot be written.
    """
    with ExitStack() as stack:
        if not folder.exists():  # and if nothing is begun, there is none again
            stack.callback(_remove_if_empty, folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = stack.enter_context(lock(folder / LOCK))
        except OSError as error:
            raise RunError(f"{folder}: cannot be written ({error.strerror})") from error
        if held is False:
            raise RunError(
                f"{folder}: another process is training there; wait until it ends, or choose another folder"
            )
        yield


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def write_config(folder: Path, config: dict) -> None:
    """Write `config.yaml`."""
    write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def read_config(folder: Path) -> dict:
    """Read `config.yaml`.

    Raises:
        RunError: if it is missing or not a mapping.
    """
    path = folder / CONFIG
    try:
        config = read_yaml(path)
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; expected a run folder") from None
    except (OSError, yaml.YAMLError) as error:
        raise RunError(f"{path}: not readable as YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(config, dict):
        raise RunError(f"{path}: expected a mapping, got {type(config).__name__}")
    return config
