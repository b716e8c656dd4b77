"""Readings of training values: a net reads the same cells again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MOST = 1 << 23  # numbers kept, 64 MiB


class Remembered:
    """What some values of each column read as; for values on the CPU.

    Args:
        values: (N, m) float64, NaN where missing.
        read: values (n,) of column d → rows (n, F) float64 that say what they are.
    """

    def __init__(self, values: Tensor, read: Callable[[Tensor, int], Tensor]) -> None:
        # Zeros stand in for what is missing.
        known = [torch.unique(torch.cat([own[~own.isnan()], own.new_zeros(1)])) for own in values.unbind(1)]
        longest = max(map(len, known))
        # Filled up with the last one, so that each is found at its first place.
        self.values = torch.stack([torch.cat([own, own[-1:].expand(longest - len(own))]) for own in known])
        sizes = torch.tensor([0, *map(len, known)])
        self.starts, self.last = sizes.cumsum(0)[:-1], sizes[1:] - 1
        self.rows = torch.cat([read(own, d) for d, own in enumerate(known)])
        self._own: dict[tuple[int, ...], tuple[Tensor, Tensor, Tensor]] = {}

    def find(self, x: Tensor, columns: Sequence[int]) -> Tensor | None:
        """Rows (…, m, F) of values x (…, m) of some columns, any row of a NaN; None if one of them is not known."""
        key = tuple(columns)
        if key not in self._own:
            index = torch.tensor(key)
            self._own[key] = self.values[index], self.starts[index], self.last[index]
        values, starts, last = self._own[key]
        by_column = x.movedim(-1, 0).flatten(1).contiguous()
        at = torch.minimum(torch.searchsorted(values, by_column), last[:, None])
        if not ((values.gather(1, at) == by_column) | by_column.isnan()).all():
            return None
        rows = self.rows.index_select(0, (at + starts[:, None]).flatten())
        return rows.unflatten(0, (len(key), *x.shape[:-1])).movedim(0, -2)


def affordable(values: Tensor, each: int) -> bool:
    """Whether the readings of values (N, m), `each` numbers a cell, are few enough to be kept."""
    return values.device.type == "cpu" and values.numel() * each <= MOST
