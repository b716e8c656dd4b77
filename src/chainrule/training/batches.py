"""Batches of a split, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from chainrule.data import Data, Streams
from chainrule.domain import Domain


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


class CropOrder(EpochOrder):
    """Lists of places where windows begin, anywhere in `extent` steps; drawn by (seed, epoch).

    Args:
        n: windows an epoch.
        batch_size, seed, passes: as above.
        extent: steps there are.
    """

    def __init__(self, n: int, batch_size: int, seed: int, passes: int, extent: int) -> None:
        super().__init__(n, batch_size, seed, passes)
        self.extent = extent

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        for _ in range(self.passes):
            starts = torch.randint(self.extent, (self.n,), generator=generator)
            yield from (batch.tolist() for batch in starts.split(self.batch_size))


class Crops(Dataset):
    """Windows of streams by where they begin: [x] or [x, cond], a whole batch at a time."""

    def __init__(self, streams: Streams, domain: Domain, *, conditional: bool) -> None:
        self.streams, self.domain, self.conditional = streams, domain, conditional

    def __getitem__(self, starts: list[int]) -> list[Tensor]:
        x, cond = self.streams.crop(self.domain, torch.tensor(starts))
        return [x] if cond is None or not self.conditional else [x, cond]


def crops(
    data: Data, batch_size: int, seed: int, passes: int = 1, *, conditional: bool = False
) -> DataLoader:
    """A loader of windows from anywhere in the training streams; an epoch has as many as fit side by side."""
    streams = data.streams["train"]
    order = CropOrder(len(data.train), batch_size, seed, passes, len(streams.values))
    return DataLoader(
        Crops(streams, data.domain, conditional=conditional),
        sampler=order,
        batch_size=None,
        generator=torch.Generator(),
    )


def batches(
    x: Tensor, cond: Tensor | None, batch_size: int, seed: int | None = None, passes: int = 1
) -> DataLoader:
    """A loader of [x] or [x, cond], taken out of memory a whole batch at a time."""
    dataset = TensorDataset(x) if cond is None else TensorDataset(x, cond)
    # The sampler gives whole batches of indices, so the loader itself must not batch. It draws a number for processes
    # that it has none of.
    order = EpochOrder(len(x), batch_size, seed, passes)
    return DataLoader(dataset, sampler=order, batch_size=None, generator=torch.Generator())
