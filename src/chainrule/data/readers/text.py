"""Texts as sequences of characters, of bytes, or of lines: a file, or those of a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.large.kept import listing
from chainrule.data.large.texts import mapped, numbered
from chainrule.data.limits import check_size, in_parts
from chainrule.data.notes import Notes, counted, listed
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.decode_text import PLAIN, decode_text
from chainrule.data.readers.gather import Files, gather, raw_of
from chainrule.data.readers.numbering import Numbers
from chainrule.data.reading import Reading
from chainrule.data.writing import BYTES
from chainrule.domain import Domain
from chainrule.errors import DataError

SUFFIXES = (".txt", ".md")
WINDOW = 64  # characters
LINE_END = re.compile(r"\r\n|\r|\n")  # not what str.splitlines takes for one besides, such as a form feed
EACH = 8  # bytes of memory for a byte of text, on the way to levels: few characters beyond Latin make all of them wide


def of_bytes(domain: Domain | None) -> bool:
    """Whether a text is to be read as its bytes."""
    return domain is not None and domain.levels == len(BYTES) and domain.lengths == "fixed"


def as_bytes(raw: Raw) -> Raw:
    """A text whose levels are characters → one whose levels are the bytes of UTF-8."""
    points = np.array([ord(character) for character in raw.vocabulary or ()], np.uint32)
    streams = {
        split: [
            np.frombuffer(points[part].tobytes().decode("utf-32-le").encode(), np.uint8) for part in parts
        ]
        for split, parts in raw.streams.items()
    }
    return replace(raw, streams=streams, vocabulary=BYTES)


def read_text(source: Path, how: Reading, held: Sequence[int] | None = None) -> Raw:
    """Read each text as one long sequence, of which items are windows; or as items of a line each.

    A character's level is its place in the sorted set of those that occur; a domain of 256 levels takes the bytes of
    files as they are, in whatever encoding. A domain with an end, such as sequence:16:27:ends, takes lines, whose
    characters are levels in the same way, and the last level ends them. Of a folder, subfolders are splits and
    classes, as those of pictures.

    Args:
        source: the file or the folder.
        how: a discrete sequence domain, for windows of another length, for spare levels, bytes or lines; the encoding
            of files that have no mark and are not UTF-8; a vocabulary, if the levels will be numbered anew by that.
        held: how many characters at the end are valid and test, of a text that has splits of its own.

    Raises:
        DataError: if a file is in another encoding or no text, or does not fit the domain.
    """
    raw = raw_of(source, Notes())
    files = gather(source, SUFFIXES, "texts", raw.notes)
    with reading(str(source)):
        size = EACH * sum(path.stat().st_size for path in files.every)
    lines = how.domain is not None and how.domain.lengths == "ends"
    large = in_parts(size, how.in_parts) and not lines
    if not large:
        check_size(str(source), size)
    if of_bytes(how.domain):
        read = {path: mapped(path) if large else _bytes_of(path) for path in files.every}
        raw.vocabulary, unit = BYTES, "byte"
    elif large:
        read, raw.vocabulary = numbered(files.every, how.encoding)
        unit = "character"
    else:
        texts = _texts(files, how.encoding, raw.notes)
        if lines:
            return _lines(raw, files, texts, how)
        numbers = Numbers.of(set().union(*texts.values()))
        read, raw.vocabulary = (
            {path: numbers.levels(text) for path, text in texts.items()},
            numbers.vocabulary,
        )
        unit = "character"
    raw.domain = how.domain or Domain.sequence(WINDOW, max(1, len(raw.vocabulary)))
    if raw.domain.layout != "sequence" or not raw.domain.discrete:
        raise DataError(
            f"{source}: text needs a domain such as sequence:{WINDOW}:{len(raw.vocabulary)}, got {raw.domain}"
        )
    if (
        how.vocabulary is None
        and how.tokens is None
        and min(raw.domain.levels_per_variable) < len(raw.vocabulary)
    ):
        raise DataError(
            f"{source}: has {len(raw.vocabulary)} different characters, more than the levels of the domain {raw.domain}"
        )
    files = _long_enough(raw, files, {path: len(levels) for path, levels in read.items()}, unit)
    raw.streams = {split: [read[path] for path in part] for split, part in files.parts.items()}
    raw.labels, raw.class_names, raw.items = files.labels, files.class_names, files.items
    if held is not None:
        levels = read[source]
        parts = np.split(levels, [len(levels) - sum(held), len(levels) - held[1]])
        raw.streams, raw.items = {split: [part] for split, part in zip(SPLITS, parts, strict=True)}, {}
    if large:
        raw.listing = listing(source, files.every)
        raw.notes.found.append("they stay in their files, and windows are read when they are asked for")
    amount = counted(sum(len(read[path]) for path in files.every), unit)
    different = "" if unit == "byte" else f", {len(raw.vocabulary)} different"
    raw.notes.found.insert(0, f"{counted(len(files.every), 'text')} of {amount}{different}")
    return raw


def _bytes_of(path: Path) -> np.ndarray:
    with reading(str(path)):
        return np.fromfile(path, np.uint8)


def _texts(files: Files, encoding: str | None, notes: Notes) -> dict[Path, str]:
    """The text of each file; other encodings than UTF-8 are noted."""
    texts, names = {}, Counter[str]()
    for path in files.every:
        with reading(str(path)):
            # Bytes, because text mode would change the line ends.
            texts[path], name = decode_text(path.read_bytes(), str(path), encoding)
        names[name] += 1
    if set(names) != {PLAIN}:
        notes.found.append("encodings: " + listed(f"{name} ({n:,})" for name, n in names.most_common()))
    return texts


def _long_enough(raw: Raw, files: Files, sizes: dict[Path, int], unit: str) -> Files:
    """Without the texts of which there is no window."""
    domain = raw.domain
    assert domain is not None
    least = domain.steps if domain.lengths == "fixed" else 1
    short = [path for path, size in sizes.items() if size < least]
    if len(short) == len(sizes):
        most = max(sizes.values())
        if not most:
            raise DataError(f"{raw.where}: holds no {unit}s")
        raise DataError(
            f"{raw.where}: its {counted(most, unit)} are fewer than a window of {least}, as {domain} has; take a "
            f"longer text, or name a shorter window with --domain when you train"
        )
    if short:
        raw.notes.ignored.append(
            f"{counted(len(short), 'text')} shorter than a window of {least}: "
            + listed(path.name for path in short)
        )
    return files.without(short)


def _lines(raw: Raw, files: Files, texts: dict[Path, str], how: Reading) -> Raw:
    """One item a line; empty ones are left out."""
    domain = how.domain
    assert domain is not None
    lines, empty = {}, 0
    for path, text in texts.items():
        every = LINE_END.split(text)
        if not every[-1]:
            every.pop()  # after the end of the last line
        lines[path] = [line for line in every if line]
        empty += len(every) - len(lines[path])
    count = sum(map(len, lines.values()))
    check_size(raw.where, 4 * count * domain.size)
    characters = sorted({character for own in lines.values() for line in own for character in line})
    if how.vocabulary is not None:  # the run's own numbers come later
        domain = replace(domain, levels=len(characters) + 1)
    end = domain.max_levels - 1
    if len(characters) > end:
        raise DataError(
            f"{raw.where}: has {len(characters)} different characters and an end, more than the levels of {domain}"
        )
    longest = max((len(line) for own in lines.values() for line in own), default=0)
    if longest > domain.size:
        raise DataError(
            f"{raw.where}: has a line of {longest} characters, expected at most {domain.size} by {domain}"
        )
    place = {character: level for level, character in enumerate(characters)}
    for split, part in files.parts.items():
        chosen = [line for path in part for line in lines[path]]
        items = np.full((len(chosen), domain.size), end, np.int32)
        for item, line in zip(items, chosen, strict=True):
            item[: len(line)] = [place[character] for character in line]
        raw.arrays[split] = items
        if split in files.labels:
            raw.labels[split] = np.repeat(files.labels[split], [len(lines[path]) for path in part])
    raw.domain, raw.vocabulary, raw.class_names = domain, tuple(characters), files.class_names
    raw.note = f"a line of at most {domain.size} characters an item"
    raw.notes.found.insert(0, f"{counted(count, 'line')}, {len(characters)} different characters")
    if empty:
        raw.notes.ignored.append(counted(empty, "empty line"))
    return raw
