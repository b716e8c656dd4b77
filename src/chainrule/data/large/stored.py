"""Items that stay in their files: what a split needs of a tensor, read when it is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.data.limits import check_size
from chainrule.domain import Domain

WINDOW = 256 << 20  # bytes of items among which an epoch is shuffled
SAMPLED = 1024  # items that stand for all


class Stored(ABC):
    """Items (N, *event_shape), of which those that are asked for are read from files.

    `x[index]`, `len(x)`, `x.shape`, `x.dtype` and `x.split(n)` are those of a tensor. An epoch over items that are read
    in blocks takes the blocks in random order, and shuffles the items of those that `WINDOW` holds together.

    Attributes:
        shape, dtype: as of a tensor.
        seen: items that stand for all, if some were read beforehand.
        bounds: (B + 1,), the first item of each block, and N; None where each item is read by itself.
    """

    shape: torch.Size
    dtype: torch.dtype
    seen: Tensor | None = None
    bounds: np.ndarray | None = None

    @abstractmethod
    def read(self, index: np.ndarray) -> Tensor:
        """The items (n, *event_shape) at these places (n,)."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, int):
            return self.read(np.array([index % len(self)]))[0]
        if isinstance(index, slice):
            return self.read(np.arange(*index.indices(len(self))))
        return self.read(np.asarray(index))

    def split(self, size: int) -> Iterator[Tensor]:
        """All items, `size` at a time."""
        for first in range(0, len(self), size):
            yield self[first : first + size]

    def numel(self) -> int:
        """The number of values."""
        return self.shape.numel()

    def sample(self) -> Tensor:
        """Some items, which stand for all where these are not needed one by one."""
        if self.seen is not None:
            return self.seen
        return self.read(np.unique(np.linspace(0, len(self) - 1, SAMPLED).astype(np.int64)))

    def conformed(self, domain: Domain) -> Stored:
        """The same items, of a domain; those that know theirs already."""
        return self

    def windows(self, generator: torch.Generator) -> Iterator[Tensor]:
        """The places of all items once, in random order: those of the blocks that are held together, then others."""
        if self.bounds is None:
            yield torch.randperm(len(self), generator=generator)
            return
        order = torch.randperm(len(self.bounds) - 1, generator=generator)
        for blocks in order.split(self.together):
            places = [torch.arange(*self.bounds[b : b + 2].tolist()) for b in blocks.tolist()]
            joined = torch.cat(places)
            yield joined[torch.randperm(len(joined), generator=generator)]

    @property
    def together(self) -> int:
        """Blocks that are held at once."""
        assert self.bounds is not None
        blocks = len(self.bounds) - 1
        return max(1, min(blocks, WINDOW * blocks // max(1, self.numel() * self.dtype.itemsize)))

    def without(self, places: np.ndarray) -> Stored:
        """All items but those at some sorted places."""
        return _Some(self, places, left_out=True)

    def only(self, places: np.ndarray) -> Stored:
        """The items at some sorted places."""
        return _Some(self, places, left_out=False)


class Steps(ABC):
    """The steps (M,) of long sequences that stay in their files: what `Streams` needs of a tensor.

    Attributes:
        dtype: of a step.
    """

    dtype: torch.dtype

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, at: Any) -> Tensor:
        """The steps (n, T) at places (n, T), each row of neighbours; beyond a sequence's end they mean nothing."""

    def new_empty(self, *shape: int) -> Tensor:
        """A tensor for steps."""
        return torch.empty(*shape, dtype=self.dtype)


def in_memory(x: Tensor | Stored) -> Tensor:
    """A tensor as it is; of stored items a sample."""
    return x.sample() if isinstance(x, Stored) else x


def loaded(x: Tensor | Stored, where: str) -> Tensor:
    """All items, in memory.

    Raises:
        DataError: if they take more than they may.
    """
    if not isinstance(x, Stored):
        return x
    check_size(where, x.numel() * x.dtype.itemsize)
    return x[:]


class Blocks(Stored):
    """Items that are read a block at a time; the blocks of one window are kept.

    Args:
        sizes: items of each block.
        event_shape: of an item.
        dtype: of its values.
    """

    bounds: np.ndarray

    def __init__(self, sizes: Sequence[int], event_shape: Sequence[int], dtype: torch.dtype) -> None:
        self.bounds = np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))])
        self.shape, self.dtype = torch.Size([int(self.bounds[-1]), *event_shape]), dtype
        self._kept: OrderedDict[int, Tensor] = OrderedDict()

    @abstractmethod
    def load(self, block: int) -> Tensor:
        """The items of a block."""

    def read(self, index: np.ndarray) -> Tensor:
        """The items at these places."""
        x = torch.empty(len(index), *self.shape[1:], dtype=self.dtype)
        of = np.searchsorted(self.bounds, index, side="right") - 1
        needed = np.unique(of).tolist()
        for block in needed:
            if block not in self._kept:
                self._kept[block] = self.load(block)
            self._kept.move_to_end(block)
            at = np.flatnonzero(of == block)
            x[at] = self._kept[block][index[at] - self.bounds[block]]
        while len(self._kept) > max(self.together, len(needed)):  # a batch may lie across two windows
            self._kept.popitem(last=False)
        return x

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict()}  # other processes read for themselves


class _Some(Stored):
    """Some of the items, in their order."""

    def __init__(self, source: Stored, places: np.ndarray, *, left_out: bool) -> None:
        self.source, self.left_out = source, left_out
        self.places = np.asarray(places, np.int64)
        n = len(source) - len(places) if left_out else len(places)
        self.shape, self.dtype = torch.Size([n, *source.shape[1:]]), source.dtype
        self.ahead = self.places - np.arange(
            len(places)
        )  # of each place left out, how many items stay before it
        if source.bounds is not None:
            before = np.searchsorted(self.places, source.bounds)
            self.bounds = source.bounds - before if left_out else before

    def read(self, index: np.ndarray) -> Tensor:
        """The items at these places."""
        if not self.left_out:
            return self.source.read(self.places[index])
        return self.source.read(index + np.searchsorted(self.ahead, index, side="right"))

    @property
    def together(self) -> int:
        """As many as the source keeps."""
        return self.source.together
