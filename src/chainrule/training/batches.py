"""Batches of a split, in an order that depends on the seed and the epoch alone, whoever computes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from chainrule.data import Data, Streams
from chainrule.data.large.stored import Steps, Stored
from chainrule.domain import Domain
from chainrule.training.ranks import Ranks

AHEAD = 16  # batches


class EpochOrder(Sampler):
    """Lists of indices, shuffled by (seed, epoch): of each batch the parts that this process computes.

    Args:
        n: items.
        batch_size: items a batch, of all processes; the last may be smaller.
        seed: of the shuffle.
        passes: over all items, an epoch.
        ranks: the processes. A part that would be empty has one item, which weighs nothing.
        parts: epochs that one pass is cut into, where they are shorter than a pass; the last one goes on with the next.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int, passes: int = 1, ranks: Ranks | None = None, parts: int = 1
    ) -> None:
        self.n, self.batch_size, self.seed, self.passes, self.epoch = n, batch_size, seed, passes, 0
        self.parts = parts
        self.ranks = ranks or Ranks()
        self._begun = (0, 0)  # an epoch, and how many of its batches are done

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def go_on(self, epoch: int, batches: int) -> None:
        """Begin an epoch after its first batches, which are not read; later ones begin at their start."""
        self.epoch, self._begun = epoch, (epoch, batches)

    @property
    def steps(self) -> int:
        """The number of batches."""
        return -(-self._pass // self.parts) * self.passes

    @property
    def _pass(self) -> int:
        """The number of batches of a pass."""
        return -(-self.n // self.batch_size)

    def __len__(self) -> int:
        return self.steps * self.ranks.accumulate

    def __iter__(self) -> Iterator[list[int]]:
        begun, done = self._begun
        for batch in islice(self._batches(), done if begun == self.epoch else 0, self.steps):
            for k in range(self.ranks.accumulate):
                part = batch.tensor_split(self.ranks.parts)[self.ranks.part(k)]
                yield (part if len(part) else batch[:1]).tolist()

    def _batches(self) -> Iterator[Tensor]:
        """The indices of each batch of the epoch."""
        if self.parts > 1:
            first = self.epoch * self.steps
            yield from islice(self._on_and_on(first // self._pass), first % self._pass, None)
            return
        generator = self._drawn(self.epoch)
        for _ in range(self.passes):
            yield from self._cut(self._order(generator))

    def _on_and_on(self, number: int) -> Iterator[Tensor]:
        """The batches of a pass, and of those after it."""
        while True:
            yield from self._cut(self._order(self._drawn(number)))
            number += 1

    def _drawn(self, number: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 1_000_003 + number)

    def weight(self, index: int) -> float:
        """By how much the mean over part `index` is multiplied, so that parts average to the mean over the batch."""
        parts = self.ranks.parts
        if parts == 1:
            return 1.0
        first = self.epoch * self.steps if self.parts > 1 else 0
        batch = (first + index // self.ranks.accumulate) % self._pass
        size = min(self.batch_size, self.n - batch * self.batch_size)
        share, more = divmod(size, parts)
        return (share + (self.ranks.part(index) < more)) * parts / size

    def _cut(self, order: Iterator[Tensor]) -> Iterator[Tensor]:
        """A pass in batches."""
        left = torch.empty(0, dtype=torch.long)
        for some in order:
            left = torch.cat([left, some])
            whole = len(left) // self.batch_size * self.batch_size
            yield from left[:whole].split(self.batch_size) if whole else ()
            left = left[whole:]
        if len(left):
            yield left

    def _order(self, generator: torch.Generator) -> Iterator[Tensor]:
        yield torch.randperm(self.n, generator=generator)


class WindowOrder(EpochOrder):
    """Lists of indices of items in files, shuffled as these are read: window after window of blocks.

    Args:
        source: the items.
        batch_size, seed, passes, ranks, parts: as above.
    """

    def __init__(
        self, source: Stored, batch_size: int, seed: int, passes: int, ranks: Ranks | None, parts: int = 1
    ) -> None:
        super().__init__(len(source), batch_size, seed, passes, ranks, parts)
        self.source = source

    def _order(self, generator: torch.Generator) -> Iterator[Tensor]:
        return self.source.windows(generator)


class CropOrder(EpochOrder):
    """Lists of places where windows begin, anywhere in `extent` steps; drawn by (seed, epoch).

    Args:
        n: windows an epoch.
        batch_size, seed, passes, ranks, parts: as above.
        extent: steps there are.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int, passes: int, extent: int, ranks: Ranks, parts: int = 1
    ) -> None:
        super().__init__(n, batch_size, seed, passes, ranks, parts)
        self.extent = extent

    def _order(self, generator: torch.Generator) -> Iterator[Tensor]:
        yield torch.randint(self.extent, (self.n,), generator=generator)


class InOrder(Sampler):
    """Lists of indices in order, whole batches by turns: so that noise drawn for a batch is that of one process.

    Args:
        n: items.
        batch_size: items a batch.
        ranks: the processes; each has equally many batches, of which those beyond the last count nothing.
    """

    def __init__(self, n: int, batch_size: int, ranks: Ranks) -> None:
        self.n, self.batch_size, self.ranks = n, batch_size, ranks
        self.batches = -(-n // batch_size)

    def __len__(self) -> int:
        return -(-self.batches // self.ranks.world)

    def __iter__(self) -> Iterator[list[int]]:
        for k in range(len(self)):
            first = self.nth(k) % self.batches * self.batch_size
            yield [*range(first, min(first + self.batch_size, self.n))]

    def nth(self, index: int) -> int:
        """Which batch this process's batch `index` is, of all processes'."""
        return index * self.ranks.world + self.ranks.rank


class Crops(Dataset):
    """Windows of streams by where they begin: [x] or [x, cond], a whole batch at a time."""

    def __init__(self, streams: Streams, domain: Domain, *, conditional: bool) -> None:
        self.streams, self.domain, self.conditional = streams, domain, conditional

    def __getitem__(self, starts: list[int]) -> list[Tensor]:
        x, cond = self.streams.crop(self.domain, torch.tensor(starts))
        return [x] if cond is None or not self.conditional else [x, cond]


class Picked(Dataset):
    """Items by their places: [x] or [x, cond], a whole batch at a time."""

    def __init__(self, x: Tensor | Stored, cond: Tensor | None) -> None:
        self.x, self.cond = x, cond

    def __getitem__(self, places: list[int]) -> list[Tensor]:
        x = self.x[places]
        return [x] if self.cond is None else [x, self.cond[places]]


class ReadAhead(DataLoader):
    """A loader of items in files, of which a thread reads the next while a batch is worked on.

    Decoders let other threads go on meanwhile; processes would each read the same blocks.
    """

    def __iter__(self) -> Any:
        waiting: deque[Future[list[Tensor]]] = deque()
        with ThreadPoolExecutor(1, "read ahead") as reader:
            try:
                for places in self.sampler:
                    waiting.append(reader.submit(self.dataset.__getitem__, places))
                    if len(waiting) > AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


def crops(
    data: Data,
    batch_size: int,
    seed: int,
    passes: int = 1,
    *,
    conditional: bool = False,
    ranks: Ranks,
    parts: int = 1,
) -> DataLoader:
    """A loader of windows from anywhere in the training streams; a pass has as many as fit side by side."""
    streams = data.streams["train"]
    order = CropOrder(len(data.train), batch_size, seed, passes, len(streams.values), ranks, parts)
    kind = ReadAhead if isinstance(streams.values, Steps) else DataLoader
    return _loader(Crops(streams, data.domain, conditional=conditional), order, kind)


def shuffled(
    x: Tensor | Stored,
    cond: Tensor | None,
    batch_size: int,
    seed: int,
    passes: int = 1,
    ranks: Ranks | None = None,
    parts: int = 1,
) -> DataLoader:
    """A loader of [x] or [x, cond] in an order drawn for each epoch."""
    if isinstance(x, Stored):
        return _loader(Picked(x, cond), WindowOrder(x, batch_size, seed, passes, ranks, parts), ReadAhead)
    return _loader(Picked(x, cond), EpochOrder(len(x), batch_size, seed, passes, ranks, parts))


def in_order(x: Tensor | Stored, cond: Tensor | None, batch_size: int, ranks: Ranks) -> DataLoader:
    """A loader of [x] or [x, cond] as they come."""
    kind = ReadAhead if isinstance(x, Stored) else DataLoader
    return _loader(Picked(x, cond), InOrder(len(x), batch_size, ranks), kind)


def _loader(dataset: Dataset, order: Sampler, kind: type[DataLoader] = DataLoader) -> DataLoader:
    """What is taken out of memory a whole batch at a time."""
    # The sampler gives whole batches of indices, so the loader itself must not batch. It draws a number for processes
    # that it has none of.
    return kind(dataset, sampler=order, batch_size=None, generator=torch.Generator())
