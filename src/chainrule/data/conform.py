"""An array of a file → the compact tensor of a domain."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import DataError

INTEGERS = (np.uint8, np.int8, np.int16, np.int32, np.int64)  # that tensors are made of as they are


def check_numbers(array: np.ndarray, gaps: bool = False) -> None:
    """Refuse anything but an array of finite numbers with at least one value.

    Args:
        array: (N, …).
        gaps: whether NaN stands for a missing cell.

    Raises:
        DataError: on text, objects, complex numbers, a single number, no rows, or NaN or infinity; it
            names the first row.
    """
    if array.dtype.kind not in "buif":
        raise DataError(f"expected integers or floats, got an array of {array.dtype}")
    if array.ndim == 0:
        raise DataError("expected one row per item, got a single number")
    if array.size == 0:
        raise DataError(f"holds no values (shape {array.shape})")
    if array.dtype.kind == "f":
        finite = np.isfinite(array) | (np.isnan(array) & gaps)
        if not finite.all():
            index = tuple(np.argwhere(~finite)[0].tolist())
            raise DataError(f"row {index[0]} is not finite: {array[index]} at index {index}")


def conform(array: np.ndarray, domain: Domain) -> Tensor:
    """The array as a tensor of the domain, in compact storage.

    Args:
        array: (N, …), finite but for the missing cells of a table, with one value per row for each of the
            domain's variables.
        domain: whose event shape, levels and reals the tensor takes. Whole floats become levels,
            integers become reals.

    Returns:
        (N, *event_shape): uint8, int16 or int32 for levels; float32 or float64 for reals, float64 for
        tables.

    Raises:
        DataError: if the sizes differ, or fractions are given for levels.
        DomainError: if a value lies outside the levels, or is none of its column's.
    """
    if array[0].size != domain.size:
        raise DataError(f"shape {array.shape} does not fit {domain}: expected {domain.size} values per row")
    array = array.reshape(len(array), *domain.event_shape)
    if domain.columns:
        # No copy of what is of this type: of large tables each counts.
        table = torch.from_numpy(np.require(array, np.float64, "W"))
        domain.validate(table)
        return table
    if not domain.discrete:
        wide = array.dtype.itemsize > (4 if array.dtype.kind == "f" else 2)
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64 if wide else np.float32))
    x = torch.from_numpy(np.require(_whole(array), None, ["C", "W"]))
    domain.validate(x)
    return x.to(_smallest_type(domain.max_levels, signed=domain.lengths == "given"))


def conform_stream(array: np.ndarray, domain: Domain) -> Tensor:
    """The steps (M,) or (M, K) of a long sequence as the domain stores them.

    Raises:
        DataError: if they are not of its width, or no levels of it.
    """
    if array.shape[1:] != domain.event_shape[1:] or not domain.discrete or domain.layout != "sequence":
        raise DataError(f"steps of shape {array.shape[1:]} do not fit {domain}")
    x = torch.from_numpy(np.require(_whole(array), None, ["C", "W"]))
    low, high = int(x.min()), int(x.max())  # uint8 cannot hold 256, so tensors would compare wrongly
    if low < 0 or high >= domain.max_levels:
        raise DataError(f"expected levels in [0, {domain.max_levels}), got {low} to {high}")
    return x.to(_smallest_type(domain.max_levels, signed=domain.lengths == "given"))


def _whole(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype in INTEGERS:
        return array
    with np.errstate(invalid="ignore"):
        whole = array.astype(np.int64)
    # Also false for what does not fit int64, so nothing wraps around unseen.
    same = whole == array
    if not same.all():
        index = tuple(np.argwhere(~same)[0].tolist())
        raise DataError(f"expected integers for levels, got {array[index]} at index {index}")
    return whole


def _smallest_type(levels: int, *, signed: bool) -> torch.dtype:
    if signed and levels <= 1 << 7:
        return torch.int8
    if levels <= 1 << 8 and not signed:
        return torch.uint8
    return torch.int16 if levels <= 1 << 15 else torch.int32
