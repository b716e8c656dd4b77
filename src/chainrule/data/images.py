"""Folders of pictures, and pictures → one array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from chainrule.data.conform import conform
from chainrule.data.dataset import SPLITS
from chainrule.data.raw import Raw, reading
from chainrule.domain import Domain
from chainrule.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
# A name for messages, and where the encoded picture is.
Pictures = Iterator[tuple[str, Path | BytesIO]]


def read_images(folder: Path) -> Raw:
    """Read all pictures below a folder, in the order of their sorted paths.

    Subfolders train, valid, test are the split. Below them, or else directly below the folder, the
    subfolder a picture lies in is its class; pictures that lie in no subfolder have none.

    Raises:
        DataError: if there are no pictures, one is unreadable, sizes differ, or some of the splits have
            no classes while others do.
    """
    with reading(str(folder)):
        roots = _roots(folder)
        parts = {split: _pictures(root) for split, root in roots.items()}
    files = [roots[split] / path for split, part in parts.items() for path in part]
    images = stack_images(lambda: ((str(file), file) for file in files))
    cuts = np.cumsum([len(part) for part in parts.values()])[:-1]
    arrays = dict(zip(parts, np.split(images, cuts), strict=True))
    classes = {
        split: [path.parts[0] for path in part]
        for split, part in parts.items()
        if all(len(path.parts) > 1 for path in part)
    }
    names = sorted({name for part in classes.values() for name in part})
    labels = {split: np.array([names.index(name) for name in part]) for split, part in classes.items()}
    return Raw(folder.resolve().name, str(folder), arrays, labels, class_names=tuple(names) or None)


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


def _roots(folder: Path) -> dict[str, Path]:
    """Split → its folder; the whole folder is "train" if no subfolder has the name of a split."""
    paths = _pictures(folder)
    if not paths:
        raise DataError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
    tops = {path.parts[0] for path in paths}
    found = [split for split in SPLITS if split in tops]
    if not found:
        return {"train": folder}
    if "train" not in found:
        raise DataError(f"{folder}: has {', '.join(found)} but no train folder")
    if tops - set(found):
        raise DataError(f"{folder}: has {min(tops - set(found))} beside the splits {', '.join(found)}")
    return {split: folder / split for split in found}


def _pictures(root: Path) -> list[Path]:
    """The sorted paths, relative to root, of all pictures below it."""
    paths = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    # Hidden files are the file manager's or the editor's, not the user's.
    visible = (path for path in paths if not any(part.startswith(".") for part in path.parts))
    return sorted(path for path in visible if (root / path).is_file())


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
