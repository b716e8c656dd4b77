"""IDX, the format of MNIST: one array of numbers behind a header of its type and sizes."""

from __future__ import annotations

from math import prod

import numpy as np

from chainrule.errors import DataError

TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def parse_idx(content: bytes, where: str = "IDX file") -> np.ndarray:
    """The array.

    Args:
        content: all bytes of the file; the array is no larger.
        where: what messages call it.

    Raises:
        DataError: if it is no IDX file, or its sizes and its bytes differ.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise DataError(
            f"{where}: not an IDX file: expected two bytes of zero and a type, got {content[:4].hex()}"
        )
    kind, axes = np.dtype(TYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    there = len(content) - start
    if there != prod(shape) * kind.itemsize:
        raise DataError(
            f"{where}: expected {prod(shape) * kind.itemsize:,} bytes of shape {tuple(shape)}, got {there:,}"
        )
    array = np.frombuffer(content, kind, offset=start).reshape(shape)
    return array.astype(kind.newbyteorder("="), copy=False)
