"""A NumPy array that stays in its file, by memory map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from chainrule.data.conform import check_numbers, conform
from chainrule.data.large.stored import Blocks
from chainrule.domain import Domain

BLOCK = 4 << 20  # bytes


class ArrayRows(Blocks):
    """The rows of an .npy file.

    Args:
        path: of the file.
        order: of its axes, as they are wanted.
        domain: of a row; until it is known, items cannot be read.
    """

    def __init__(self, path: Path, order: Sequence[int] | None = None, domain: Domain | None = None) -> None:
        self.path, self.order, self.domain = path, order, domain
        array = self._array()
        rows = max(1, BLOCK // max(1, array[:1].nbytes))
        sizes = [min(rows, len(array) - first) for first in range(0, len(array), rows)]
        if domain is None:
            super().__init__(sizes, array.shape[1:], torch.float64)
        else:
            super().__init__(sizes, domain.event_shape, conform(np.array(array[:1]), domain).dtype)

    def _array(self) -> np.ndarray:
        array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return array if self.order is None else array.transpose(self.order)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def transpose(self, order: Sequence[int]) -> ArrayRows:
        """The same rows with other axes."""
        return ArrayRows(self.path, order)

    def conformed(self, domain: Domain) -> ArrayRows:
        """The rows as items of a domain, which are checked when they are read."""
        return ArrayRows(self.path, self.order, domain)

    def extremes(self) -> np.ndarray:
        """Rows that show which domain all are of: the least and the largest number, and a fraction if there is one.

        Raises:
            DataError: if some are no finite numbers.
        """
        array = self._array()
        low, high, fraction = np.inf, -np.inf, None
        for first, last in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            part = np.array(array[first:last])
            check_numbers(part)
            low, high = min(low, part.min()), max(high, part.max())
            if part.dtype.kind == "f" and fraction is None and (broken := part != np.floor(part)).any():
                fraction = part[broken][0]
        shown = [low, high, low if fraction is None else fraction]
        return np.stack([np.full(array.shape[1:], value, array.dtype) for value in shown])

    def load(self, block: int) -> Tensor:
        """The items of a block."""
        assert self.domain is not None
        part = np.array(self._array()[self.bounds[block] : self.bounds[block + 1]])
        return conform(part, self.domain)
