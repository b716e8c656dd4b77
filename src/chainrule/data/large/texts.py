"""Texts and bytes that stay in their files, by memory map."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from chainrule.data.large.bar import bar
from chainrule.data.large.kept import cache_folder, fingerprint, marks
from chainrule.data.raw import reading
from chainrule.data.readers.numbering import Numbers
from chainrule.files import atomic_path

CHUNK = 16 << 20  # bytes that are decoded at once


def mapped(path: Path, kind: np.dtype | type = np.uint8) -> np.ndarray:
    """A file as an array; what is written to it stays in memory."""
    with reading(str(path)):
        return np.memmap(path, kind, mode="c")


def numbered(files: Sequence[Path], encoding: str | None) -> tuple[dict[Path, np.ndarray], tuple[str, ...]]:
    """The levels of each text, and the character that each level stands for.

    The levels are kept in files of the user's cache, one or two bytes for a character.

    Args:
        files: the texts.
        encoding: theirs; UTF-8 by default.

    Raises:
        DataError: if one is in another encoding.
    """
    found: set[str] = set()
    for path in bar(files, "characters", [path.stat().st_size for path in files]):
        for text in _chunks(path, encoding):
            found.update(text)
    numbers = Numbers.of(found)
    levels = {}
    for path in bar(files, "texts", [path.stat().st_size for path in files]):
        own = cache_folder() / f"{fingerprint(marks([path]), encoding, numbers.vocabulary)}.levels"
        if not own.is_file():
            own.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(own) as temporary, temporary.open("wb") as out:
                for text in _chunks(path, encoding):
                    out.write(numbers.levels(text).tobytes())
        levels[path] = mapped(own, numbers.kind)
    return levels, numbers.vocabulary


def _chunks(path: Path, encoding: str | None) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding or "utf-8-sig")()
    with reading(str(path)), path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
