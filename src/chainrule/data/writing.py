"""What the levels of a text stand for, and how texts become levels and levels texts again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from chainrule.errors import DataError

BYTES = tuple(map(chr, range(256)))
SPARE = "\ufffd"  # for a level that stands for nothing


def is_bytes(vocabulary: str) -> bool:
    """Whether levels are the bytes of a text, and not its characters."""
    return vocabulary == "".join(BYTES)


class Writing(ABC):
    """A code of texts.

    Attributes:
        unit: what a level is, in the plural.
        size: levels that stand for something.
    """

    unit: str
    size: int

    @abstractmethod
    def levels(self, text: str) -> np.ndarray:
        """The levels (T,) of a text.

        Raises:
            DataError: if it cannot be written exactly.
        """

    @abstractmethod
    def content(self, levels: Sequence[int] | np.ndarray) -> bytes:
        """What levels (T,) stand for, as UTF-8, or as any bytes where levels are bytes or parts of characters."""

    def text(self, levels: Sequence[int] | np.ndarray) -> str:
        """The same as text; what is not UTF-8 is U+FFFD."""
        return self.content(levels).decode("utf-8", errors="replace")


class Bytes(Writing):
    """A level is a byte."""

    unit, size = "bytes", len(BYTES)

    def levels(self, text: str) -> np.ndarray:
        """The bytes (T,) of a text in UTF-8."""
        return np.frombuffer(text.encode(), np.uint8)

    def content(self, levels: Sequence[int] | np.ndarray) -> bytes:
        """The bytes themselves."""
        return np.asarray(levels, np.uint8).tobytes()


class Characters(Writing):
    """A level is a character.

    Args:
        vocabulary: the character of each level.
    """

    unit = "characters"

    def __init__(self, vocabulary: str) -> None:
        self.size = len(vocabulary)
        self._places = {character: level for level, character in enumerate(vocabulary)}
        self._points = np.array([ord(character) for character in (*vocabulary, SPARE)], "<u4")

    def levels(self, text: str) -> np.ndarray:
        """The place (T,) of each character in the vocabulary.

        Raises:
            DataError: if one is not there.
        """
        unknown = [character for character in text if character not in self._places]
        if unknown:
            raise DataError(f"the run knows no character {unknown[0]!r}")
        return np.array([self._places[character] for character in text], np.int64)

    def content(self, levels: Sequence[int] | np.ndarray) -> bytes:
        """In UTF-8; a level without a character is U+FFFD."""
        places = np.asarray(levels, np.int64)
        known = np.where((places >= 0) & (places < self.size), places, self.size)
        return self._points[known].tobytes().decode("utf-32-le").encode()


def writing_of(vocabulary: str | None) -> Writing | None:
    """Characters or bytes, by the vocabulary that a run keeps; None without one."""
    if vocabulary is None:
        return None
    return Bytes() if is_bytes(vocabulary) else Characters(vocabulary)
