"""Cells of an arrow column: which type they are of, and their numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from chainrule.data.raw import reading
from chainrule.errors import DataError


def is_text(kind: pa.DataType) -> bool:
    """Whether cells of an arrow type are text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_number(kind: pa.DataType) -> bool:
    """Whether cells of an arrow type are numbers; booleans are not."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def words(kind: pa.DataType) -> str:
    """What messages call cells of an arrow type."""
    if pa.types.is_dictionary(kind):
        return "categories"
    if pa.types.is_boolean(kind):
        return "booleans"
    if pa.types.is_temporal(kind):
        return "times"
    return "numbers" if is_number(kind) else "text"


def numbers(where: str, cells: pa.ChunkedArray) -> np.ndarray:
    """Cells of numbers as float64 (N,), NaN where missing.

    Raises:
        DataError: on infinity, with its row; on a whole number that float64 does not hold.
    """
    with reading(where):
        values = cells.cast(pa.float64()).to_numpy()
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise DataError(f"{where}: expected finite numbers, got {values[row]} in row {row}")
    return values
