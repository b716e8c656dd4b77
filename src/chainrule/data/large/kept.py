"""What a pass over a large source found, kept in the user's cache: the next run on the same files starts at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from chainrule._version import __version__
from chainrule.files import atomic_path, user_cache, write_text
from chainrule.locks import lock

PATIENCE = 3600.0  # seconds that one process waits for the pass of another
Found = tuple[dict[str, Any], dict[str, Tensor]]  # plain values, and tensors


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/chainrule/large, else ~/.cache/chainrule/large."""
    return user_cache() / "large"


def marks(files: Sequence[Path]) -> list[str]:
    """What identifies each file as it is now: its path, size and time."""
    found = [(file.resolve(), file.stat()) for file in files]
    return [f"{path}\0{about.st_size}\0{about.st_mtime_ns}" for path, about in found]


def fingerprint(files: Sequence[str], *asked: Any) -> str:
    """A name for what is asked of files that are identified by `marks`, or by addresses that never change."""
    return sha256(repr((__version__, *asked, *files)).encode()).hexdigest()[:32]


def listing(root: Path, files: Sequence[Path]) -> str:
    """A checksum of the names and sizes of files: what identifies a source that is too large to read for a checksum."""
    whole, start = sha256(), len(root.as_posix()) + 1
    for file in files:
        name = file.as_posix()[start:] if file != root else file.name
        whole.update(f"{name}\0{file.stat().st_size}\n".encode())
    return f"listing:{whole.hexdigest()}"


def kept(name: str, find: Callable[[], Found]) -> Found:
    """What was found under a fingerprint, or is found now and kept; one process looks, others wait for it."""
    from safetensors.torch import load_file, save_file

    folder = cache_folder()
    about, tensors = folder / f"{name}.json", folder / f"{name}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held: Any = lock(folder / f"{name}.lock", PATIENCE)
    except OSError:  # a cache that cannot be written is done without
        return find()
    with held:
        if about.is_file() and tensors.is_file():
            return json.loads(about.read_text()), load_file(tensors)
        plain, found = find()
        with atomic_path(tensors) as temporary:
            save_file({key: value.contiguous() for key, value in found.items()}, temporary)
        write_text(about, json.dumps(plain) + "\n")
        return plain, found
