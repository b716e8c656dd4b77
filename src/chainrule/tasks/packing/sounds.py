"""Folders of recordings: the name and the length of each, and the file of their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from chainrule.coding.about import described
from chainrule.coding.archive import inside
from chainrule.coding.container import DAMAGED
from chainrule.data.notes import listed
from chainrule.data.pcm import to_samples
from chainrule.data.raw import reading
from chainrule.data.readers.metadata import METADATA
from chainrule.data.readers.sound import write_sound
from chainrule.errors import ChainruleError, CodeError
from chainrule.tasks.packing.source import Source, Unpacked, files_of
from chainrule.tasks.packing.streams import check_samples
from chainrule.tasks.packing.windows import joined


def describe(source: Source) -> dict:
    """Names and lengths, and the content of the file of labels.

    Raises:
        ChainruleError: if only some items are packed, which are windows and no recordings.
    """
    assert source.path is not None
    if source.items.streams is None:
        raise ChainruleError(f"{source.path}: recordings are packed whole; leave out --items")
    about = {"names": list(source.items.streams.names), "lengths": source.items.streams.lengths.tolist()}
    metadata = source.path / METADATA
    return about | ({"metadata": metadata.read_bytes().decode()} if metadata.is_file() else {})


def endings(about: dict) -> tuple[str, ...]:
    """A folder."""
    return ("",)


def write(unpacked: Unpacked, out: Path) -> None:
    """The recordings, each in the format of its suffix."""
    about, run = unpacked.about, unpacked.run
    with described():
        names, metadata = list(map(str, about["names"])), about.get("metadata")
        parts, _ = joined(unpacked.x, about["lengths"], run.model.domain)
        if not len(names) == len(parts) == len(set(names)):
            raise CodeError(DAMAGED)
    assert run.rate is not None
    for name, levels in zip(names, parts, strict=True):
        path = out / inside(name.encode())
        path.parent.mkdir(parents=True, exist_ok=True)
        with described():
            write_sound(path, to_samples(levels, run.model.domain), run.rate, path.suffix.lower())
    if metadata is not None:
        (out / METADATA).write_bytes(str(metadata).encode())


def difference(source: Source, out: Path) -> str | None:
    """Which file is lost, or which recording's samples differ."""
    assert source.path is not None
    names = source.items.streams.names if source.items.streams else ()
    lost = sorted(files_of(source.path) - {*names, METADATA})
    if lost and not source.part:
        return f"{listed(lost)} would be lost; move files that are not recordings elsewhere"
    for name in names:
        with reading(name):
            was, now = soundfile.info(source.path / name), soundfile.info(out / name)
            for what in ("channels", "subtype", "samplerate"):
                if getattr(was, what) != getattr(now, what):
                    return f"{name}: {what} {getattr(was, what)} would be {getattr(now, what)}"
            given, found = (soundfile.read(root / name, dtype="int16")[0] for root in (source.path, out))
        if len(given) == len(found):
            check_samples(source.path / name, given, found)
        if not np.array_equal(given, found):
            return f"{name}: {len(given):,} samples would be {len(found):,}"
    return None
