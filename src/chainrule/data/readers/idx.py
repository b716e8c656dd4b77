"""IDX, the format of MNIST: one array of numbers after a header with its type and sizes."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np

from chainrule.data.raw import Raw, reading
from chainrule.data.readers.naming import ITEMS, LABELS, header_of, raw_of_arrays
from chainrule.data.readers.tree import split_of
from chainrule.data.readers.unpack import content_of
from chainrule.data.reading import Reading
from chainrule.errors import DataError

MOST_AXES = 4  # items, channels, height, width
TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
NAME = re.compile(
    r"((.*)[-._])?idx\d-u?(byte|short|int|float|double)(\.gz)?|.+\.idx\d?(\.gz)?", re.IGNORECASE
)
TEN_THOUSAND = "t10k"  # what MNIST calls its test images


def is_idx(path: Path) -> bool:
    """Whether a file is called like one, such as train-images-idx3-ubyte.gz, or a folder holds some."""
    if path.is_dir():
        return any(is_idx(file) for file in path.iterdir() if file.is_file())
    return NAME.fullmatch(path.name) is not None


def read_idx(path: Path, how: Reading) -> Raw:
    """Read an IDX file, or a folder of them, whose names say which are images, labels, train and test.

    Raises:
        DataError: if one is damaged, or the names do not say what is what.
    """
    with reading(str(path)):
        if not path.is_dir():
            return Raw(path.stem, str(path), {"train": parse_idx(content_of(path), str(path))})
        arrays, others = {}, []
        for file in sorted(path.iterdir()):
            if file.is_file() and is_idx(file):
                arrays[_words(file.name) or file.name] = parse_idx(content_of(file), str(file))
            elif not file.name.startswith("."):
                others.append(file.name)
        headers = {name: header_of(array) for name, array in arrays.items()}
        raw = raw_of_arrays(path.resolve().name, str(path), headers, arrays.__getitem__)
        raw.notes.ignored += [f"file {name}" for name in others]
        return raw


def parse_idx(content: bytes, where: str) -> np.ndarray:
    """The array.

    Args:
        content: all bytes of the file; the array is no larger.
        where: what messages call it.

    Raises:
        DataError: if it is not an IDX file, or its sizes and its bytes differ.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise DataError(
            f"{where}: not an IDX file: expected two bytes of zero and a type, got {content[:4].hex() or 'nothing'}"
        )
    kind, axes = np.dtype(TYPES[content[2]]), content[3]
    if not 1 <= axes <= MOST_AXES:
        raise DataError(f"{where}: damaged: expected 1 to {MOST_AXES} axes, got {axes}")
    start = 4 + 4 * axes
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    needed, there = prod(shape) * kind.itemsize, len(content) - start
    if there != needed:
        raise DataError(f"{where}: damaged: shape {tuple(shape)} needs {needed:,} bytes, there are {there:,}")
    array = np.frombuffer(content, kind, offset=start).reshape(shape)
    return array.astype(kind.newbyteorder("="))


def _words(name: str) -> str:
    """ "t10k-images-idx3-ubyte" → "test_images"."""
    words = ["test" if word == TEN_THOUSAND else word for word in re.split(r"[-._]", name.lower())]
    return "_".join(word for word in words if split_of(word) or word in ITEMS or word in LABELS)
