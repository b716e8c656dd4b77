"""Makers of music, speech and text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.sets.sources.packed import members
from chainrule.data.sets.sources.source import Content

HEADER = 44  # bytes before the samples of a WAV file of 16 bits


def text(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """The file itself."""
    return {file: paths[0].read_bytes()}


def music(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """A MATLAB file of cells, a piano roll each."""
    from scipy.io import loadmat  # slow to import, and only needed here

    found, arrays = loadmat(paths[0]), {}
    for split in SPLITS:
        pieces = list(found[f"{split}data"].ravel())
        arrays[split] = np.concatenate(pieces).astype(np.uint8)
        arrays[f"{split}_lengths"] = np.array([len(piece) for piece in pieces], np.int64)
    return {file: arrays}


def spoken_digits(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Recordings digit_speaker_index.wav: samples one after another, and a table of what each is."""
    import soundfile

    sounds, table = [], io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["digit", "speaker", "index", "split", "offset", "length"])
    found = [
        (match[1], match[2], int(match[3]), content)
        for match, content in members(paths[0], r"[^/]+/recordings/(\d)_([a-z]+)_(\d+)\.wav")
    ]
    offset = 0
    for digit, speaker, index, content in sorted(found, key=lambda it: it[:3]):
        samples, _ = soundfile.read(io.BytesIO(content), dtype="int16")
        writer.writerow([digit, speaker, index, "test" if index < 5 else "train", offset, len(samples)])
        sounds.append(samples)
        offset += len(samples)
    folder = Path(file).parent
    return {file: {"audio": np.concatenate(sounds)}, str(folder / "metadata.csv"): table.getvalue().encode()}
