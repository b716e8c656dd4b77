"""Batches of a split, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, TensorDataset


class EpochOrder(Sampler):
    """Lists of indices, a batch each; shuffled by (seed, epoch), or in order if there is no seed.

    Args:
        n: items.
        batch_size: items a batch; the last may be smaller.
        seed: of the shuffle.
        passes: over all items, an epoch.
    """

    def __init__(self, n: int, batch_size: int, seed: int | None = None, passes: int = 1) -> None:
        self.n, self.batch_size, self.seed, self.passes, self.epoch = n, batch_size, seed, passes, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.n // self.batch_size) * self.passes

    def __iter__(self) -> Iterator[list[int]]:
        if self.seed is None:
            orders = [torch.arange(self.n)]
        else:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            orders = [torch.randperm(self.n, generator=generator) for _ in range(self.passes)]
        for order in orders:
            yield from (batch.tolist() for batch in order.split(self.batch_size))


def batches(
    x: Tensor, labels: Tensor | None, batch_size: int, seed: int | None = None, passes: int = 1
) -> DataLoader:
    """A loader of [x] or [x, labels], taken out of memory a whole batch at a time."""
    dataset = TensorDataset(x) if labels is None else TensorDataset(x, labels)
    # The sampler gives whole batches of indices, so the loader itself must not batch.
    return DataLoader(dataset, sampler=EpochOrder(len(x), batch_size, seed, passes), batch_size=None)
