"""Text as sequences of characters, of bytes, or of lines: .txt files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.notes import counted
from chainrule.data.raw import Raw, reading
from chainrule.data.reading import Reading
from chainrule.domain import Domain
from chainrule.errors import DataError

WINDOW = 64  # characters
BYTES = tuple(map(chr, range(256)))
LINE_END = re.compile(r"\r\n|\r|\n")  # not what str.splitlines takes for one besides, such as a form feed


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


def read_text(path: Path, how: Reading, held: Sequence[int] | None = None) -> Raw:
    """Read a text as one long sequence, of which items are windows; or as items of a line each.

    A character's level is its place in the sorted set of those that occur; a domain of 256 levels takes the bytes of
    the file as they are, in whatever encoding. A domain with an end, such as sequence:16:27:ends, takes lines, whose
    characters are levels in the same way, and the last level ends them.

    Args:
        path: the file, UTF-8 unless read as bytes.
        how: a discrete sequence domain, for windows of another length, for spare levels, bytes or lines; a vocabulary,
            if the levels will be numbered anew by that.
        held: how many characters at the end are valid and test, of a text that has splits of its own.

    Raises:
        DataError: if it is no UTF-8, or does not fit the domain.
    """
    domain = how.domain
    with reading(str(path)):
        content = path.read_bytes()
        if of_bytes(domain):
            levels, vocabulary = np.frombuffer(content, np.uint8).astype(np.intp), BYTES
        else:
            # Bytes, because text mode would change the line ends.
            text = content.decode("utf-8-sig")
            if domain is not None and domain.lengths == "ends":
                return _lines(path, text, how)
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
    if how.vocabulary is None and min(domain.levels_per_variable) < len(vocabulary):
        raise DataError(
            f"{path}: has {len(vocabulary)} different characters, more than the levels of the domain {domain}"
        )
    parts, splits = [levels], ["train"]
    if held is not None:
        parts, splits = np.split(levels, [len(levels) - sum(held), len(levels) - held[1]]), list(SPLITS)
    raw = Raw(
        path.stem,
        str(path),
        streams={split: [part] for split, part in zip(splits, parts, strict=True)},
        domain=domain,
        vocabulary=vocabulary,
    )
    unit = "byte" if of_bytes(domain) else "character"
    different = "" if unit == "byte" else f", {len(vocabulary)} different"
    raw.notes.found.append(f"a text of {counted(len(levels), unit)}{different}")
    return raw


def _lines(path: Path, text: str, how: Reading) -> Raw:
    """One item a line; empty ones are left out."""
    domain = how.domain
    assert domain is not None
    every = LINE_END.split(text)
    if not every[-1]:
        every.pop()  # behind the last line's end
    lines = [line for line in every if line]
    characters = sorted(set("".join(lines)))
    if how.vocabulary is not None:  # the run's own numbers come later
        domain = replace(domain, levels=len(characters) + 1)
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
    raw = Raw(
        path.stem,
        str(path),
        {"train": items},
        domain=domain,
        vocabulary=tuple(characters),
        note=f"a line of at most {domain.size} characters an item",
    )
    raw.notes.found.append(f"{counted(len(lines), 'line')}, {len(characters)} different characters")
    if len(lines) < len(every):
        raw.notes.ignored.append(f"{counted(len(every) - len(lines), 'empty line')}")
    return raw
