"""Recordings, one or a folder of them, with their labels; and the spoken digits, which are one file."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from chainrule.data.labels import label_codes
from chainrule.data.large.kept import listing
from chainrule.data.large.recordings import Recording
from chainrule.data.limits import check_size, in_parts
from chainrule.data.notes import Notes, counted, listed
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.gather import Files, gather, raw_of
from chainrule.data.readers.intact import FOREVER
from chainrule.data.readers.metadata import METADATA, read_described, read_rows
from chainrule.data.readers.sound import (
    SUFFIXES,
    WITHIN,
    Header,
    Sound,
    peak,
    read_header,
    read_sound,
    resample,
)
from chainrule.data.reading import Reading
from chainrule.errors import DataError

SEEKABLE = (".wav", ".flac", ".aiff", ".aif")
FULL_SCALE = 1 + 2**-16  # half a step beyond it
WIDTHS = {
    "PCM_24": "24 bits",
    "PCM_32": "32 bits",
    "FLOAT": "floats of 32 bits",
    "DOUBLE": "floats of 64 bits",
}


def read_recordings(source: Path, how: Reading) -> Raw:
    """Read a sound file, or all those below a folder in the order of their sorted paths, each as a stream.

    A metadata.csv in the folder names files in its column `file`; its column `split`, if there is one, says train,
    valid or test, and every other column is a label. Without it, subfolders are splits and classes, as those of
    pictures. All are brought to one rate, that which the most seconds have, and to one channel. Where some go beyond
    full scale, as those of floats may, all are made quieter by the same factor, which the run keeps: how loud
    recordings are beside each other is a part of what they say.

    Args:
        source: the file or the folder.
        how: the rate in Hz to resample to; the gain, if it is known.

    Raises:
        DataError: if a file is unreadable or cut short, or the metadata do not fit the files.
    """
    raw = raw_of(source, Notes())
    if (source / METADATA).is_file():
        files = read_described(source, SUFFIXES, raw)
    else:
        files = gather(source, SUFFIXES, "recordings", raw.notes)
        raw.labels, raw.class_names = files.labels, files.class_names
    headers = {path: read_header(path) for path in files.every}
    raw.rate = how.rate or _most_common_rate(headers.values())
    size = sum(2 * header.frames * raw.rate // header.rate for header in headers.values())
    if in_parts(size, how.in_parts):
        return _in_files(raw, files, headers, how)
    declared = (header for header in headers.values() if header.frames < FOREVER)
    check_size(str(source), sum(2 * header.frames * raw.rate // header.rate for header in declared))
    gain = how.gain or _gain(headers)
    sounds = {path: read_sound(path, raw.rate, gain) for path in headers}
    raw.streams = {split: [sounds[path].samples for path in part] for split, part in files.parts.items()}
    raw.items = files.items
    if gain != 1:
        raw.chosen["gain"] = gain
    seconds = sum(len(sound.samples) for sound in sounds.values()) / raw.rate
    raw.notes.found.insert(
        0,
        f"{counted(len(sounds), 'recording')} ({files.endings()}), {seconds:,.1f} s at {raw.rate:,} Hz",
    )
    raw.notes.changed += _changes(headers, sounds, raw.rate, gain)
    return raw


def _in_files(raw: Raw, files: Files, headers: Mapping[Path, Header], how: Reading) -> Raw:
    """Recordings of which windows are read when they are asked for."""
    for path, header in headers.items():
        if header.rate != raw.rate:
            raise DataError(
                f"{path}: expected {raw.rate:,} Hz of recordings that stay in their files, got {header.rate:,}; "
                "bring all to one rate first"
            )
        if path.suffix.lower() not in SEEKABLE:
            raise DataError(
                f"{path}: expected {', '.join(SEEKABLE)} of recordings that stay in their files, which can be read "
                "from any sample on; convert it"
            )
        if header.subtype not in WITHIN and how.gain is None:
            raise DataError(
                f"{path}: floats may go beyond full scale, which takes a pass over all to see; name a gain: --gain 1"
            )
    gain = how.gain or 1.0
    raw.streams = {
        split: [Recording(path, 0, headers[path].frames, gain) for path in part]
        for split, part in files.parts.items()
    }
    raw.items, raw.listing = files.items, listing(Path(raw.where), files.every)
    seconds = sum(header.frames for header in headers.values()) / (raw.rate or 1)
    raw.notes.found.insert(
        0,
        f"{counted(len(headers), 'recording')} ({files.endings()}), {seconds:,.1f} s at {raw.rate:,} Hz, read when "
        "windows are asked for",
    )
    several = sum(header.channels > 1 for header in headers.values())
    if several:
        raw.notes.changed.append(f"{counted(several, 'recording')} of several channels: their mean is taken")
    return raw


def read_spoken_digits(path: Path) -> Raw:
    """The recordings of fsdd.npz, one after another, and of the metadata.csv beside it.

    Of each digit by each speaker, recordings 0 to 4 are test, as is official, and 5 to 9 valid.

    References:
        Jackson et al., Free Spoken Digit Dataset, https://github.com/Jakobovski/free-spoken-digit-dataset
    """
    with reading(str(path)), np.load(path, allow_pickle=False) as file:
        audio = file["audio"]
        rows = read_rows(path.with_name(METADATA))
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
        DataError: if these are not recordings, or it is not a rate.
    """
    if raw.rate is None:
        raise DataError(f"{raw.where}: a rate is for recordings, expected none, got {rate}")
    if rate == raw.rate:
        return
    clipped = 0
    for parts in raw.streams.values():
        for i, samples in enumerate(parts):
            parts[i], _, beyond, _ = resample(samples, raw.rate, rate)
            clipped += beyond
    raw.notes.changed.append(f"all recordings are resampled from {raw.rate:,} to {rate:,} Hz")
    if clipped:
        raw.notes.changed.append(f"{counted(clipped, 'sample')} clipped at full scale")
    raw.rate = rate


def _most_common_rate(headers: Collection[Header]) -> int:
    """The rate with the most seconds; the lower of two."""
    seconds: defaultdict[int, float] = defaultdict(float)
    for header in headers:
        seconds[header.rate] += header.frames / header.rate
    return max(sorted(seconds), key=lambda rate: seconds[rate])


def _gain(headers: Mapping[Path, Header]) -> float:
    """What brings the loudest recording to full scale, if one goes beyond it; else 1."""
    most = max((peak(path) for path, header in headers.items() if header.subtype not in WITHIN), default=0.0)
    return 1 / most if most > FULL_SCALE else 1.0


def _changes(
    headers: Mapping[Path, Header], sounds: Mapping[Path, Sound], rate: int, gain: float
) -> list[str]:
    """What of the files does not reach the model as it is in them."""
    lines = []
    cancelled = [path for path, sound in sounds.items() if sound.cancelled]
    several = Counter(
        header.channels for path, header in headers.items() if header.channels > 1 and path not in cancelled
    )
    for channels, n in several.items():
        lines.append(f"{counted(n, 'recording')} of {channels} channels: their mean is taken")
    if cancelled:
        names = listed(path.name for path in cancelled)
        lines.append(
            f"{counted(len(cancelled), 'recording')} whose channels cancel each other: the first is taken: {names}"
        )
    rates = Counter(header.rate for header in headers.values() if header.rate != rate)
    if rates:
        of = listed(f"{n:,} of {own:,} Hz" for own, n in rates.most_common())
        lines.append(f"resampled to {rate:,} Hz: {of}; --rate (rate=…) names another")
    if gain != 1:
        lines.append(
            f"all recordings are multiplied by {gain:.4g} ({20 * math.log10(gain):+.1f} dB), since the loudest of the "
            f"source, or of what the run was trained on, is beyond full scale"
        )
    widths = Counter(WIDTHS.get(header.subtype, "") for header in headers.values())
    for width, n in widths.items():
        if width:
            lines.append(f"{counted(n, 'recording')} of {width}: rounded to 16 bits")
    clipped = sum(sound.clipped for sound in sounds.values())
    if clipped:
        names = listed(path.name for path, sound in sounds.items() if sound.clipped)
        lines.append(f"{counted(clipped, 'sample')} clipped at full scale, in {names}")
    return lines
