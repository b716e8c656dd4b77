"""Folders of pictures, and pictures → one array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from chainrule.data.conform import conform
from chainrule.data.notes import Notes, counted
from chainrule.data.raw import Raw, reading
from chainrule.data.reading import Reading
from chainrule.data.tree import classes_of, files_below, ignore_others, split_roots
from chainrule.domain import Domain
from chainrule.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
# A name for messages, and where the encoded picture is.
Pictures = Iterator[tuple[str, Path | BytesIO]]


def read_images(folder: Path, how: Reading) -> Raw:
    """Read all pictures below a folder, in the order of their sorted paths.

    Subfolders train, valid, test are the split. Below them, or else directly below the folder, the
    subfolder a picture lies in is its class; pictures that lie in no subfolder have none.

    Raises:
        DataError: if there are no pictures, one is unreadable, sizes differ, or some of the splits have
            no classes while others do.
    """
    notes = Notes()
    with reading(str(folder)):
        paths = files_below(folder, SUFFIXES)
        ignore_others(folder, SUFFIXES, notes)
        if not paths:
            raise DataError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
        roots = split_roots(folder, paths, notes)
        parts, labels, names = classes_of(
            {split: files_below(root, SUFFIXES) for split, root in roots.items()}, notes
        )
    files = [roots[split] / path for split, part in parts.items() for path in part]
    images = stack_images(lambda: ((str(file), file) for file in files))
    cuts = np.cumsum([len(part) for part in parts.values()])[:-1]
    arrays = dict(zip(parts, np.split(images, cuts), strict=True))
    notes.found.insert(0, counted(len(files), "picture"))
    items = {split: [str(path) for path in part] for split, part in parts.items()}
    return Raw(
        folder.resolve().name, str(folder), arrays, labels, class_names=names, notes=notes, items=items
    )


def stack_images(pictures: Callable[[], Pictures]) -> np.ndarray:
    """Decode pictures of one size.

    Args:
        pictures: called twice, first for the headers, then for the pixels.

    Returns:
        (N, C, H, W) uint8: one channel if all are grey or black and white (0 and 1 if all are the
        latter), else RGB; transparency is dropped.

    Raises:
        DataError: if a picture is unreadable, of more than 8 bits, or of another size than the first.
    """
    modes: set[str] = set()
    first, size, count = "", (0, 0), 0
    for name, file in pictures():
        with reading(name), Image.open(file) as image:
            # Converting these would clip their values without a word.
            if image.mode.startswith(("I", "F")):
                raise DataError(f"{name}: expected 8 bits per channel, got an image of mode {image.mode}")
            first, size = (first, size) if count else (name, image.size)
            if image.size != size:
                raise DataError(
                    f"{name}: expected {_size(size)} pixels as {first} has, got {_size(image.size)}"
                )
            modes.add(image.mode)
        count += 1
    mode = "1" if modes == {"1"} else "L" if modes <= {"1", "L"} else "RGB"
    pixels = np.empty((count, size[1], size[0], 3 if mode == "RGB" else 1), np.uint8)
    for row, (name, file) in zip(pixels, pictures(), strict=True):
        with reading(name), Image.open(file) as image:
            row[:] = np.asarray(image.convert(mode)).reshape(row.shape)
    return pixels.transpose(0, 3, 1, 2)


def read_picture(path: Path, domain: Domain) -> Tensor:
    """One picture as an item of an image domain: (1, C, H, W), shades rounded to the domain's levels.

    Raises:
        DataError: if it is unreadable, or of another size than the domain's images.
    """
    if domain.layout != "image" or not domain.discrete:
        raise DataError(f"{path}: a picture is no item of {domain}")
    channels, height, width = domain.event_shape
    with reading(str(path)), Image.open(path) as image:
        if image.size != (width, height):
            raise DataError(f"{path}: expected {width}x{height} pixels, got {_size(image.size)}")
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(height, width, channels)
    shades = np.rint(pixels.transpose(2, 0, 1) / 255 * (domain.max_levels - 1))
    return conform(shades[None].astype(np.int64), domain)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
