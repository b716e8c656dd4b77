"""Text as sequences of characters, of bytes, or of lines: .txt files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chainrule.data.raw import Raw, reading
from chainrule.data.split import held_out
from chainrule.domain import Domain
from chainrule.errors import DataError

WINDOW = 64  # characters
BYTES = tuple(map(chr, range(256)))


def is_bytes(vocabulary: str) -> bool:
    """Whether levels are the bytes of a text, and not its characters."""
    return vocabulary == "".join(BYTES)


def of_bytes(domain: Domain | None) -> bool:
    """Whether a text is to be read as its bytes."""
    return domain is not None and domain.levels == len(BYTES) and domain.lengths == "fixed"


def as_bytes(raw: Raw) -> Raw:
    """A text whose levels are characters → one whose levels are the bytes of UTF-8."""
    points = np.array([ord(character) for character in raw.vocabulary or ()], np.uint32)
    streams = {
        split: [
            np.frombuffer(points[part].tobytes().decode("utf-32-le").encode(), np.uint8).astype(np.intp)
            for part in parts
        ]
        for split, parts in raw.streams.items()
    }
    return replace(raw, streams=streams, vocabulary=BYTES)


def read_text(path: Path, domain: Domain | None, held: Sequence[int] | None = None) -> Raw:
    """Read a text as one long sequence, of which items are windows; or as items of a line each.

    A character's level is its place in the sorted set of those that occur; a domain of 256 levels takes the bytes of
    the file as they are, in whatever encoding. A domain with an end, such as sequence:16:27:ends, takes lines, whose
    characters are levels in the same way, and the last level ends them.

    Args:
        path: the file, UTF-8 unless read as bytes.
        domain: a discrete sequence domain, for windows of another length, for spare levels, bytes or lines.
        held: how many characters at the end are valid and test; a tenth of the text each by default.

    Raises:
        DataError: if it is no UTF-8, too short for three windows, or does not fit the domain.
    """
    with reading(str(path)):
        content = path.read_bytes()
        if of_bytes(domain):
            levels, vocabulary = np.frombuffer(content, np.uint8).astype(np.intp), BYTES
        else:
            # Bytes, because text mode would change the line ends.
            text = content.decode("utf-8-sig")
            if domain is not None and domain.lengths == "ends":
                return _lines(path, text, domain)
            points, levels = np.unique(
                np.frombuffer(text.encode("utf-32-le"), np.uint32), return_inverse=True
            )
            vocabulary = tuple(map(chr, points.tolist()))
    if domain is None:
        domain = Domain.sequence(WINDOW, len(vocabulary))
    if domain.layout != "sequence" or not domain.discrete:
        raise DataError(
            f"{path}: text needs a domain such as sequence:{WINDOW}:{len(vocabulary)}, got {domain}"
        )
    if min(domain.levels_per_variable) < len(vocabulary):
        raise DataError(
            f"{path}: has {len(vocabulary)} different characters, more than the levels of the domain {domain}"
        )
    if len(levels) < 3 * domain.size:
        raise DataError(
            f"{path}: {len(levels)} characters are too few: three splits need a window of {domain.size} each"
        )
    if held is None:
        held = [max(held_out(len(levels), parts=2), domain.size)] * 2
    parts = np.split(levels, np.cumsum([len(levels) - sum(held), held[0]]))
    return Raw(
        path.stem,
        str(path),
        streams={split: [part] for split, part in zip(("train", "valid", "test"), parts, strict=True)},
        domain=domain,
        vocabulary=vocabulary,
        split=f"split along the text, {len(parts[0])}/{held[0]}/{held[1]} characters",
    )


def _lines(path: Path, text: str, domain: Domain) -> Raw:
    """One item a line; empty ones are left out."""
    lines = [line for line in text.splitlines() if line]
    characters = sorted(set("".join(lines)))
    end = domain.max_levels - 1
    if len(characters) > end:
        raise DataError(
            f"{path}: has {len(characters)} different characters and an end, more than the levels of {domain}"
        )
    longest = max(map(len, lines), default=0)
    if longest > domain.size:
        raise DataError(
            f"{path}: has a line of {longest} characters, expected at most {domain.size} by {domain}"
        )
    place = {character: level for level, character in enumerate(characters)}
    items = np.full((len(lines), domain.size), end, np.int32)
    for item, line in zip(items, lines, strict=True):
        item[: len(line)] = [place[character] for character in line]
    return Raw(
        path.stem,
        str(path),
        {"train": items},
        domain=domain,
        vocabulary=tuple(characters),
        note=f"a line of at most {domain.size} characters an item",
    )
