"""The domain an array of numbers lies in, inferred from its shape, type and values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.domain import Domain
from chainrule.errors import DataError

# A categorical variable of more levels than a 16-bit number has is a mistake, not a model.
MOST_LEVELS = 1 << 16
# Grey values of up to 17 levels (say 0 … 16) keep their own count; wider ranges are 8-bit images.
FEW_LEVELS = 17


def infer_domain(arrays: Sequence[np.ndarray]) -> Domain:
    """The domain of items given as the rows of all `arrays` together (the splits of one set).

    Integers, and floats that all are integers in [0, 256), are levels; other floats are reals.
    (N, D) is a vector of 2 levels if all are 0 or 1, else of max + 1. (N, H, W) and (N, C, H, W) are images of 2 levels
    if the maximum is at most 1, of 256 if it is above 17 or the type is uint8, else of max + 1.

    Args:
        arrays: each (N, …) with the same trailing sizes, finite, not empty.

    Raises:
        DataError: on another number of dimensions, negative integers, or more than 65536 levels.
    """
    shape = arrays[0].shape[1:]
    if len(shape) not in (1, 2, 3):
        raise DataError(
            f"shape {arrays[0].shape} is not supported: expected (N, D) for tables, or (N, H, W) "
            f"or (N, C, H, W) for images"
        )
    levels = _levels(arrays, image=len(shape) > 1) if all(map(_holds_levels, arrays)) else None
    if len(shape) == 1:
        return Domain(shape, levels, "vector")
    return Domain((1, *shape)[-3:], levels, "image")


def infer_table(table: np.ndarray) -> Domain:
    """The domain of a table with a meaning per column: each column its own levels, or all reals.

    Args:
        table: (N, D) floats, finite. If every value is an integer in [0, 256), column d is categorical
            with max + 1 levels, at least 2.
    """
    if _holds_levels(table):
        return Domain.categorical(table.shape[1], tuple(int(top) + 1 for top in table.max(0).clip(min=1)))
    return Domain.vector(table.shape[1])


def _holds_levels(array: np.ndarray) -> bool:
    if array.dtype.kind in "bui":
        return True
    return bool(((array >= 0) & (array < 256)).all() and (array == np.floor(array)).all())


def _levels(arrays: Sequence[np.ndarray], image: bool) -> int:
    low = min(int(array.min()) for array in arrays)
    high = max(int(array.max()) for array in arrays)
    if low < 0:
        raise DataError(
            f"negative integers (least {low}), but levels count from 0; shift them, or give a domain of reals"
        )
    if high >= MOST_LEVELS:
        raise DataError(
            f"integers up to {high} would make more than {MOST_LEVELS} levels; give a domain of reals"
        )
    if high <= 1:
        return 2
    eight_bit = high > FEW_LEVELS or any(array.dtype == np.uint8 for array in arrays)
    return 256 if image and eight_bit and high < 256 else high + 1
