"""Whether a sound file is complete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from chainrule.errors import DataError

# What libsndfile notes where the chunk of samples is longer than the file; sizes near 2^31 or 2^32 stand for "unknown",
# which a program writes that cannot go back to the head of a file.
SHORT = re.compile(r"^\s*(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
UNKNOWN = 0x7FFF0000
OTHER = re.compile(r"does not match value from 'ds64' chunk of (\d+)")  # likewise, of files beyond 4 GB
FOREVER = 1 << 62  # frames, of a file that does not say how many
PAGE = 27 + 255 + 255 * 255  # bytes of an Ogg page, at most
FRAME = 64  # bytes from the start of an MP3 frame, in which such a mark is
LAST = 4  # the flag of the last page of a stream


def check_intact(path: Path, file: Any, read: int) -> None:
    """Refuse a file that ends too early.

    Args:
        path: of the file.
        file: it, an open `soundfile.SoundFile`.
        read: how many samples of a channel it gave.

    Raises:
        DataError: if its header declares more, or its last part is missing.
    """
    expected = FOREVER if file.format == "MP3" and not _counts(path) else file.frames
    for declared, there in SHORT.findall(file.extra_info):
        if int(there) < int(declared) < UNKNOWN and read:
            expected = int(declared) * read // max(int(there), 1)
    for declared in OTHER.findall(file.extra_info):
        expected = int(declared)
    if read < expected < FOREVER:
        raise DataError(
            f"{path}: is cut short: its header declares {expected:,} samples, {read:,} are present; copy it again"
        )
    if file.format == "OGG" and not _ends(path):
        raise DataError(
            f"{path}: is cut short, the last page of the sound is missing; copy or convert it again"
        )


def _counts(path: Path) -> bool:
    """Whether the first frame of an MP3 file gives the number of samples; else it is an estimate."""
    with path.open("rb") as stream:
        head = stream.read(10)
        if head.startswith(b"ID3"):  # tags, whose size is in four bytes of seven bits
            stream.seek(10 + sum(byte << 7 * place for place, byte in enumerate(reversed(head[6:10]))))
            head = b""
        head += stream.read(FRAME)
    return b"Xing" in head or b"Info" in head


def _ends(path: Path) -> bool:
    """Whether an Ogg file ends with a whole page that says it is the last of its stream."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 2 * PAGE))
        tail = stream.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    whole = len(page) >= 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return whole and bool(page[5] & LAST)
