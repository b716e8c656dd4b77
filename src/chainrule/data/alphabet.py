"""The characters of a text, numbered as a run numbers them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.data.notes import SHOWN, counted
from chainrule.data.raw import Raw, reading
from chainrule.data.tokens import Tokens
from chainrule.data.writing import writing_of
from chainrule.domain import Domain
from chainrule.errors import DataError

PART = 1 << 18  # characters that are numbered at once


def renumber(raw: Raw, vocabulary: Sequence[str], unknown: str | None, domain: Domain | None) -> None:
    """Number the characters of a text as a run does, in place.

    Args:
        raw: a text, in any numbering of its own.
        vocabulary: the character of each of the run's levels.
        unknown: the known character that stands for all unknown ones; None refuses them.
        domain: the run's.

    Raises:
        DataError: naming the characters that the run does not know, and how often they occur.
    """
    own = raw.vocabulary or ()
    place = {character: level for level, character in enumerate(vocabulary)}
    counts = np.zeros(len(own) + 1, np.int64)  # one more for the end symbol of lines
    for array in (*raw.arrays.values(), *(part for parts in raw.streams.values() for part in parts)):
        for part in _parts(array):
            counts += np.bincount(np.minimum(part, len(own), dtype=np.intp), minlength=len(own) + 1)
    foreign = {
        character: int(n) for character, n in zip(own, counts, strict=False) if n and character not in place
    }
    if foreign:
        often = sorted(foreign, key=lambda character: (-foreign[character], character))
        which = ", ".join(f"{character!r} ({foreign[character]:,} times)" for character in often[:SHOWN])
        which += f" and {len(often) - SHOWN:,} more" if len(often) > SHOWN else ""
        if unknown is None:
            raise DataError(
                f"{raw.where}: {counted(len(foreign), 'character')} {'is' if len(foreign) == 1 else 'are'} not "
                f"among the {len(place)} that the run was trained on: {which}; choose a known character to replace "
                f"them with --unknown (unknown=…)"
            )
        raw.notes.changed.append(
            f"{sum(foreign.values()):,} unknown characters are read as {unknown!r}: {which}"
        )
    end = domain.max_levels - 1 if domain is not None and domain.lengths == "ends" else len(place)
    table = np.array([*(place.get(c, place.get(unknown or "", 0)) for c in own), end])
    raw.arrays = {split: _looked_up(table, array) for split, array in raw.arrays.items()}
    raw.streams = {split: [_looked_up(table, part) for part in parts] for split, parts in raw.streams.items()}
    raw.vocabulary, raw.domain = tuple(vocabulary), domain


def tokenise(raw: Raw, tokens: Tokens) -> None:
    """Turn the characters, or bytes, of a text into tokens, in place.

    Args:
        raw: a text of long sequences.
        tokens: their code.

    Raises:
        DataError: if a text is not exactly what its tokens stand for.
    """
    writing = writing_of("".join(raw.vocabulary or ()))
    assert writing is not None

    def read(part: np.ndarray) -> np.ndarray:
        with reading(raw.where):
            return tokens.levels(writing.content(part).decode())

    raw.streams = {split: [read(part) for part in parts] for split, parts in raw.streams.items()}
    raw.vocabulary = None
    found = sum(len(part) for parts in raw.streams.values() for part in parts)
    raw.notes.found.append(f"read as {counted(found, 'token')}")


def _parts(array: np.ndarray) -> list[np.ndarray]:
    """Its values in order, some at a time."""
    flat = array.reshape(-1)
    return np.split(flat, range(PART, len(flat), PART))


def _looked_up(table: np.ndarray, array: np.ndarray) -> np.ndarray:
    """table[array], where what is beyond the end of the table is its last entry."""
    found = np.empty(array.size, np.int32 if table.max(initial=0) > 255 else np.uint8)
    for part, places in zip(_parts(found), _parts(array), strict=True):
        part[:] = table[np.minimum(places, len(table) - 1, dtype=np.intp)]
    return found.reshape(array.shape)
