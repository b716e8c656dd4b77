"""Files that are whole or not there: written beside their place, then moved into it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chainrule.errors import ChainruleError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder; what was written there becomes `path` if the block succeeds.

    Raises:
        ChainruleError: if the folder cannot be made or written.
    """
    path = Path(path)
    # The suffix stays: writers such as Pillow take the format from it.
    temporary = path.parent / f".{path.stem}-{secrets.token_hex(4)}{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise ChainruleError(f"{path}: cannot be written ({error.strerror}: {error.filename})") from error
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise ChainruleError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
