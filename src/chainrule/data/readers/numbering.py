"""Characters as levels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

PART = 1 << 18  # characters that are numbered at once


@dataclass(frozen=True)
class Numbers:
    """Each character's place in the sorted set of them.

    Attributes:
        vocabulary: the character of each level.
    """

    vocabulary: tuple[str, ...]

    @classmethod
    def of(cls, characters: Iterable[str]) -> Numbers:
        """The numbers of a set of characters."""
        return cls(tuple(sorted(characters)))

    @property
    def kind(self) -> np.dtype:
        """What holds the levels."""
        size = len(self.vocabulary)
        return np.min_scalar_type(-size) if size > 256 else np.dtype(np.uint8)

    def levels(self, text: str) -> np.ndarray:
        """(T,) of a text."""
        points = np.array([ord(character) for character in self.vocabulary], np.uint32)
        own = np.empty(len(text), self.kind)
        for i in range(0, len(text), PART):
            part = np.frombuffer(text[i : i + PART].encode("utf-32-le"), np.uint32)
            own[i : i + PART] = np.searchsorted(points, part)
        return own
