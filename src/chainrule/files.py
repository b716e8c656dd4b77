"""Files and folders that are whole or not there: written beside their place, then moved into it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from platform import node

from chainrule.errors import ChainruleError, DataError
from chainrule.locks import lock

HUB = "hf:"  # how sources on the Hugging Face hub begin
STANDARD = "-"  # standard input or output; with an ending, such as -.npy, in that format
# Temporaries of this machine. Their processes lock them, and a lock is only sure to be seen on one machine.
OURS = f".chainrule-tmp-{zlib.crc32(node().encode()):08x}-"
TEMPORARY = re.compile(re.escape(OURS) + "[0-9a-f]{16}")
LOCK = "lock"
DESCRIPTOR = re.compile(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/(self|\d+)/fd/\d+")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path of the same ending; what was written there becomes `path` if the block succeeds.

    A link stays, and its target is written. A device, a pipe or standard output takes what was written at the end.

    Raises:
        ChainruleError: if the folder cannot be made or written.
    """
    path = Path(path)
    place = None if is_stream(path) else Path(os.path.realpath(path))
    try:
        if place is not None:
            if place.is_symlink():  # one of a circle
                raise OSError(40, "links form a loop", str(path))
            place.parent.mkdir(parents=True, exist_ok=True)
        with scratch(place and place.parent) as folder:
            temporary = folder / f"new{path.suffix}"  # writers such as Pillow take the format from it
            temporary.touch()
            mode = stat.S_IMODE(temporary.stat().st_mode)
            yield temporary
            if place is None:
                _pour(temporary, path)
            else:
                temporary.chmod(mode)  # safetensors makes files that nobody else may read
                os.replace(temporary, place)
    except OSError as error:
        named = f": {error.filename}" if error.filename and OURS not in str(error.filename) else ""
        raise ChainruleError(f"{path}: cannot be written ({error.strerror or error}{named})") from error


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `path` if the block succeeds.

    Raises:
        ChainruleError: if there is something at `path`, or it cannot be made.
    """
    path = Path(path)
    if is_stream(path) or os.path.lexists(path):
        what = "standard output, a pipe or a device" if is_stream(path) else "one that exists"
        raise ChainruleError(f"{path}: expected a new folder, got {what}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch(path.parent) as folder:
            temporary = folder / "new"
            temporary.mkdir()
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        raise ChainruleError(f"{path}: cannot be written ({error.strerror or error})") from error


def read_text(path: str | Path, most: int) -> str:
    """Read UTF-8 text of a file, as far as it is one, and no longer than expected: pipes and devices have no end.

    Raises:
        OSError: if it cannot be read, is not a plain file, or is larger than `most` bytes.
        UnicodeDecodeError: if it is not UTF-8.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise OSError("expected a file")
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(f"expected at most {most} bytes")
    return content.decode("utf-8")


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """A folder for temporary files, which vanishes afterwards; if the process is killed, with the next one here.

    Args:
        parent: where; by default the system's place for temporary files, and for this user alone.

    Raises:
        OSError: if it cannot be made.
    """
    parent, mode = (parent, 0o777) if parent else (Path(tempfile.gettempdir()), 0o700)
    _sweep(parent)
    with ExitStack() as held:
        folder = parent / f"{OURS}{secrets.token_hex(8)}"
        try:
            while not _claim(folder, mode, held):
                folder = parent / f"{OURS}{secrets.token_hex(8)}"
            yield folder
        finally:
            try:
                _discard(folder, held)
            except BaseException:  # Ctrl-C in the midst of it
                _discard(folder, held)
                raise


def _claim(folder: Path, mode: int, held: ExitStack) -> bool:
    """Make a folder, and a lock in it, which `held` then holds; False if another process came in between."""
    folder.mkdir(mode)
    # Before it is locked it looks like that of a dead process, and is removed, also while the lock is being made.
    with suppress(FileNotFoundError, FileExistsError):
        return held.enter_context(lock(folder / LOCK)) is not False
    return False


def _discard(folder: Path, held: ExitStack) -> None:
    with suppress(FileNotFoundError):
        _empty(folder)
    held.close()
    with suppress(OSError):
        folder.rmdir()


def user_cache() -> Path:
    """Where this user's programs keep what can be made again: $XDG_CACHE_HOME/chainrule, else ~/.cache/chainrule.

    Raises:
        RuntimeError: if there is no home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chainrule"


def sweep(parent: Path) -> None:
    """Remove what killed processes have left: temporaries that no process holds locked."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if not TEMPORARY.fullmatch(entry.name) or not entry.is_dir(follow_symlinks=False):
                continue
            folder = Path(entry.path)
            with suppress(OSError):
                if (folder / LOCK).exists():
                    with lock(folder / LOCK) as dead:
                        if dead is True:
                            _empty(folder)
                folder.rmdir()  # that of a live process is not empty, or it makes another


_sweep = lru_cache(maxsize=1024)(sweep)  # once for each process and folder


def _empty(folder: Path) -> None:
    """Remove all but the lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)


# --- standard output, pipes and devices -----------------------------------------------------------


def is_standard(path: str | Path) -> bool:
    """Whether a path stands for standard input or output: -, or - with an ending."""
    path = Path(path)
    return path.stem == STANDARD and path.parent == Path()


def is_stream(path: str | Path) -> bool:
    """Whether what is written there goes on elsewhere: standard output, a pipe, a socket, a device."""
    if is_standard(path) or DESCRIPTOR.fullmatch(os.path.abspath(path)):
        return True
    try:
        kind = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


def _pour(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        if is_standard(target):
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        with target.open("ab") as stream:  # nothing is truncated that a descriptor leads to
            shutil.copyfileobj(file, stream)


def check_there(source: str | Path) -> None:
    """Refuse a source of data that can only be a file or a folder, and is not there; named sets have no such names.

    Raises:
        DataError: if so.
    """
    path = Path(source).expanduser()
    if (isinstance(source, Path) or path.suffix or os.path.dirname(source)) and not path.exists():
        raise DataError(f"{path}: no such file or folder")


def check_apart(output: str | Path, inputs: Iterable[str | Path], name: str = "-o") -> None:
    """Refuse an output that is one of the input files, also through links.

    Args:
        output: the file.
        inputs: files, or folders whose files may all be read; what does not exist is passed over.
        name: of the output, for the message.

    Raises:
        ChainruleError: if it is.
    """
    if is_stream(output) or not os.path.exists(output):
        return
    place = Path(os.path.realpath(output))
    for source in map(Path, inputs):
        if source.exists() and source.samefile(output):
            raise ChainruleError(f"{name} {output}: is the input itself; choose another file")
        if Path(os.path.realpath(source)) in place.parents:
            raise ChainruleError(
                f"{name} {output}: is one of the files in the input {source}; choose another"
            )
