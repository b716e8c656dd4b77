"""Folders of recordings, with their labels; and the spoken digits, which are one file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.labels import label_codes
from chainrule.data.notes import counted
from chainrule.data.raw import Raw, reading
from chainrule.data.reading import Reading
from chainrule.data.sound import SUFFIXES, read_sound, resample
from chainrule.data.tree import classes_of, files_below, ignore_others, split_roots
from chainrule.errors import DataError

METADATA = "metadata.csv"
FILE, SPLIT = "file", "split"  # its columns that are no labels


def read_recordings(folder: Path, how: Reading) -> Raw:
    """Read all .wav and .flac files below a folder, in the order of their sorted paths, each as a stream.

    A metadata.csv in it names in its column `file` all of them; its column `split`, if there is one, says train, valid
    or test, and every other column is a label. Without it, subfolders are splits and classes, as those of pictures.

    Args:
        folder: of the files.
        how: the rate in Hz to resample to; None keeps that of the files.

    Raises:
        DataError: if a file is unreadable, rates differ and none is asked for, or the metadata do not fit the files.
    """
    with reading(str(folder)):
        paths = files_below(folder, SUFFIXES)
    if not paths:
        raise DataError(f"{folder}: holds no recordings ({', '.join(SUFFIXES)})")
    raw = Raw(folder.resolve().name, str(folder))
    ignore_others(folder, SUFFIXES, raw.notes, but=(METADATA,))
    if (folder / METADATA).is_file():
        parts, roots = _described(raw, folder / METADATA, paths), dict.fromkeys(SPLITS, folder)
    else:
        with reading(str(folder)):
            roots = split_roots(folder, paths, raw.notes)
            parts, raw.labels, raw.class_names = classes_of(
                {split: files_below(root, SUFFIXES) for split, root in roots.items()}, raw.notes
            )
    first = None
    for split, part in parts.items():
        raw.streams[split] = []
        for path in part:
            samples, found = read_sound(roots[split] / path, how.rate)
            if raw.rate is None:
                raw.rate, first = found, roots[split] / path
            if found != raw.rate:
                raise DataError(
                    f"{roots[split] / path}: expected {raw.rate} Hz as {first} has, got {found}; "
                    f"say to which rate to resample"
                )
            raw.streams[split].append(samples)
    raw.items = {split: [str(path) for path in part] for split, part in parts.items()}
    steps = sum(len(sound) for sounds in raw.streams.values() for sound in sounds)
    seconds = f"{steps / raw.rate:,.1f} s at {raw.rate:,} Hz" if raw.rate else ""
    raw.notes.found.insert(0, f"{counted(sum(map(len, parts.values())), 'recording')}, {seconds}")
    return raw


def read_spoken_digits(path: Path) -> Raw:
    """The recordings of fsdd.npz, one after another, and of the metadata.csv beside it.

    Of each digit by each speaker, recordings 0 to 4 are test, as is official, and 5 to 9 valid.

    References:
        Jackson et al., Free Spoken Digit Dataset, https://github.com/Jakobovski/free-spoken-digit-dataset
    """
    with reading(str(path)), np.load(path, allow_pickle=False) as file:
        audio = file["audio"]
        rows = _rows(path.with_name(METADATA))
        index = np.array([int(row["index"]) for row in rows])
        starts = [int(row["offset"]) for row in rows]
        streams = [audio[start : start + int(row["length"])] for start, row in zip(starts, rows, strict=True)]
        names = ("digit", "speaker")
        codes, classes = label_codes({name: [row[name] for row in rows] for name in names})
    of = {"train": index >= 10, "valid": (index >= 5) & (index < 10), "test": index < 5}
    return Raw(
        path.stem,
        str(path),
        labels={split: codes[chosen] for split, chosen in of.items()},
        streams={split: [streams[i] for i in np.flatnonzero(chosen)] for split, chosen in of.items()},
        class_names=classes,
        label_names=names,
        rate=8000,
        split="recordings 0-4 of each digit and speaker are test, 5-9 valid",
    )


def at_rate(raw: Raw, rate: int) -> None:
    """Resample all recordings.

    Args:
        raw: of recordings.
        rate: in Hz.

    Raises:
        DataError: if these are no recordings, or it is no rate.
    """
    if raw.rate is None:
        raise DataError(f"{raw.where}: a rate is for recordings, expected none, got {rate}")
    raw.streams = {
        split: [resample(samples, raw.rate, rate) for samples in parts]
        for split, parts in raw.streams.items()
    }
    raw.rate = rate


def _described(raw: Raw, path: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    """Split → files, in the order of `files`; the labels go into `raw`."""
    with reading(str(path)):
        rows = _rows(path)
    names = [name for name in rows[0] if name is not None] if rows else []
    if FILE not in names:
        raise DataError(f"{path}: expected a column {FILE!r}, got {', '.join(names) or 'no rows'}")
    for number, row in enumerate(rows):
        if None in row or not all(row.values()):
            raise DataError(
                f"{path}: row {number}: expected a cell in each of the columns {', '.join(names)}"
            )
        if row.get(SPLIT, "train") not in SPLITS:
            raise DataError(f"{path}: row {number}: expected {' or '.join(SPLITS)}, got {row[SPLIT]!r}")
    counts, there = Counter(Path(row[FILE]) for row in rows), set(files)
    for file in sorted({*counts, *there}):
        if counts[file] != 1 or file not in there:
            has = f"{counts[file]} rows" if file in there else "a row but is not there"
            raise DataError(f"{path}: expected one row for each recording of the folder; {file} has {has}")
    of = {Path(row[FILE]): row for row in rows}
    parts = {
        split: [i for i, file in enumerate(files) if of[file].get(SPLIT, "train") == split]
        for split in SPLITS
    }
    parts = {split: chosen for split, chosen in parts.items() if chosen}
    if "train" not in parts:
        raise DataError(f"{path}: column {SPLIT!r}: expected some that are train, got {', '.join(parts)}")
    labels = [name for name in names if name not in (FILE, SPLIT)]
    if labels:
        codes, classes = label_codes({name: [of[file][name] for file in files] for name in labels})
        raw.labels = {split: codes[chosen] for split, chosen in parts.items()}
        raw.label_names, raw.class_names = tuple(labels), classes
    return {split: [files[i] for i in chosen] for split, chosen in parts.items()}


def _rows(path: Path) -> list[dict[str, str]]:
    """Of a .csv with a header."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
