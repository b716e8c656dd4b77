"""Pictures of a folder, or a single one, with the splits and classes that subfolders say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.large.kept import listing
from chainrule.data.large.pictures import Encoded, StoredPictures, look_at
from chainrule.data.limits import in_parts
from chainrule.data.notes import Notes
from chainrule.data.raw import Raw
from chainrule.data.readers.gather import Files, gather, raw_of
from chainrule.data.readers.opened import SUFFIXES, opened
from chainrule.data.readers.stack import OPTIONS, frame_names, stack_images
from chainrule.data.reading import Reading

__all__ = ["OPTIONS", "SUFFIXES", "read_images"]

MANY = 20_000  # pictures that take longer to decode than a user waits for a first step
SIZED = 20  # pictures by which it is estimated what all would take


def read_images(source: Path, how: Reading) -> Raw:
    """Read one picture, or all below a folder, in the order of their sorted paths.

    Subfolders train, valid, test are the split. Below them, or else directly below the folder, the
    subfolder a picture lies in is its class; pictures that lie in no subfolder have none.

    Raises:
        DataError: if there are no pictures, one is unreadable, sizes differ while none is asked for, or some of the
            splits have no classes while others do.
    """
    notes = Notes()
    files = gather(source, SUFFIXES, "images", notes)
    many = len(files.every) > MANY and how.in_parts is None and how.frames != "all"
    if many or in_parts(_estimate(files, how), how.in_parts):
        return _stored(source, files, how, notes)
    stack = stack_images(str(source), lambda: ((str(file), file) for file in files.every), how, notes)
    raw = raw_of(source, notes)
    raw.domain, raw.class_names = stack.domain, files.class_names
    for split, pixels, of in stack.parts({split: len(part) for split, part in files.parts.items()}):
        raw.arrays[split] = pixels
        names = files.items.get(split) or [path.name for path in files.parts[split]]
        raw.items[split] = frame_names(names, of)
        if split in files.labels:
            raw.labels[split] = files.labels[split][of]
    return raw


def _stored(source: Path, files: Files, how: Reading, notes: Notes) -> Raw:
    """Pictures that are decoded when they are asked for."""
    raw = raw_of(source, notes)
    raw.domain = look_at(str(source), [Encoded(str(path)) for path in files.every], how, notes)
    for split, part in files.parts.items():
        raw.arrays[split] = StoredPictures([Encoded(str(path)) for path in part], how, raw.domain)
    raw.labels, raw.class_names, raw.items = files.labels, files.class_names, files.items
    raw.listing = listing(source, files.every)
    return raw


def _estimate(files: Files, how: Reading) -> int:
    """Bytes that all would take, by the sizes of some."""
    every = files.every
    sizes = []
    for place in np.unique(np.linspace(0, len(every) - 1, SIZED).astype(int)).tolist():
        with opened(str(every[place]), every[place]) as image:
            height, width = how.size or (image.height, image.width)
            sizes.append(3 * height * width)
    return int(np.mean(sizes)) * len(every)
