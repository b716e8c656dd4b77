"""Pictures of a folder, or a single one, with the splits and classes that subfolders say."""

from __future__ import annotations

from pathlib import Path

from chainrule.data.notes import Notes
from chainrule.data.raw import Raw
from chainrule.data.readers.gather import gather, raw_of
from chainrule.data.readers.opened import SUFFIXES
from chainrule.data.readers.stack import OPTIONS, frame_names, stack_images
from chainrule.data.reading import Reading

__all__ = ["OPTIONS", "SUFFIXES", "read_images"]


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
