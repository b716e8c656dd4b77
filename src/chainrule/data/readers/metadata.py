"""metadata.csv: the files of a folder, with their labels and splits, a row each."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from chainrule.data.dataset import SPLITS
from chainrule.data.labels import label_codes
from chainrule.data.notes import counted, listed
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.gather import Files
from chainrule.data.readers.tree import all_below, files_below, ignore_others, split_of
from chainrule.errors import DataError

METADATA = "metadata.csv"
FILE, SPLIT = ("file", "file_name"), "split"  # its columns that are no labels


def read_described(folder: Path, suffixes: Collection[str], raw: Raw) -> Files:
    """The files that the metadata.csv of a folder names, in the order of their sorted paths.

    Args:
        folder: of the files, and of metadata.csv.
        suffixes: theirs.
        raw: takes the labels, and notes of what is left out.

    Raises:
        DataError: if it cannot be read, misses cells, or names files that are not there.
    """
    path = folder / METADATA
    with reading(str(path)):
        rows = read_rows(path)
        there = files_below(folder, suffixes)
    ignore_others(sorted(all_below(folder)), suffixes, raw.notes, but=(METADATA,))
    names = [name for name in rows[0] if name is not None] if rows else []
    key = next((name for name in FILE if name in names), "")
    if not key:
        raise DataError(f"{path}: expected a column {FILE[0]!r}, got {', '.join(names) or 'no rows'}")
    for number, row in enumerate(rows):
        if None in row or not all(row.values()):
            raise DataError(
                f"{path}: row {number}: expected a cell in each of the columns {', '.join(names)}"
            )
        if split_of(row.get(SPLIT, "train")) is None:
            raise DataError(f"{path}: row {number}: expected {' or '.join(SPLITS)}, got {row[SPLIT]!r}")
    counts = Counter(Path(row[key]) for row in rows)
    for file, count in counts.items():
        if count != 1 or file not in there:
            has = (
                f"{count} rows" if file in there else f"a row, but there is no such recording below {folder}"
            )
            raise DataError(f"{path}: expected one row for each recording; {file} has {has}")
    stray = [file for file in there if file not in counts]
    if stray:
        raw.notes.ignored.append(
            f"{counted(len(stray), 'recording')} without a row in {METADATA}: {listed(stray)}"
        )
    files = [file for file in there if file in counts]
    of = {Path(row[key]): row for row in rows}
    splits = [split_of(of[file].get(SPLIT, "train")) for file in files]
    parts = {split: [i for i, own in enumerate(splits) if own == split] for split in SPLITS}
    parts = {split: chosen for split, chosen in parts.items() if chosen}
    labels = [name for name in names if name not in (key, SPLIT)]
    if labels:
        codes, classes = label_codes({name: [of[file][name] for file in files] for name in labels})
        raw.labels = {split: codes[chosen] for split, chosen in parts.items()}
        raw.label_names, raw.class_names = tuple(labels), classes
        raw.notes.found.append(
            "labels: " + listed(f"{name} ({len(own)})" for name, own in zip(labels, classes, strict=True))
        )
    return Files(
        {split: [folder / files[i] for i in chosen] for split, chosen in parts.items()},
        {split: [files[i].as_posix() for i in chosen] for split, chosen in parts.items()},
    )


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a .csv with a header."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
