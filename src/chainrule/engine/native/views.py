"""Strided windows of buffers, which stand for tensors in recordings and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch


@dataclass(frozen=True)
class View:
    """A strided window of a buffer; sizes, strides and the offset are in elements."""

    buffer: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether its elements lie one after the other in their order."""
        return all(
            n == 1 or stride == step
            for n, stride, step in zip(self.shape, self.strides, natural(self.shape), strict=True)
        )

    def reshaped(self, shape: Sequence[int]) -> View:
        """A contiguous view in another shape."""
        return replace(self, shape=tuple(shape), strides=natural(shape))

    def expanded(self, shape: Sequence[int]) -> View:
        """Repeated along new dimensions and along those of size 1, as broadcasting does."""
        strides = [0] * (len(shape) - len(self.shape)) + [
            0 if n == 1 else stride for n, stride in zip(self.shape, self.strides, strict=True)
        ]
        return replace(self, shape=tuple(shape), strides=tuple(strides))

    def narrow(self, dim: int, start: int, size: int) -> View:
        """Indices start … start + size - 1 of one dimension."""
        shape = (*self.shape[:dim], size, *self.shape[dim + 1 :])
        return replace(self, offset=self.offset + start * self.strides[dim], shape=shape)

    def select(self, dim: int, index: int) -> View:
        """One index of a dimension, which goes."""
        one = self.narrow(dim, index, 1)
        shape, strides = (of[:dim] + of[dim + 1 :] for of in (one.shape, one.strides))
        return replace(one, shape=shape, strides=strides)

    def permuted(self, dims: Sequence[int]) -> View:
        """Dimensions in another order."""
        shape, strides = (tuple(of[d] for d in dims) for of in (self.shape, self.strides))
        return replace(self, shape=shape, strides=strides)


def natural(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a contiguous tensor."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def extent(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """The first and one past the last element that these loops touch, from where they begin; (0, 0) if none."""
    if 0 in shape:
        return 0, 0
    steps = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
    return sum(min(0, step) for step in steps), 1 + sum(max(0, step) for step in steps)


def collapsed(
    shape: Sequence[int], strides: Sequence[Sequence[int]], most: int
) -> tuple[tuple[int, ...], list[tuple[int, ...]]] | None:
    """The same loops in as few dimensions as the strides of all operands allow, padded to `most`; None if more."""
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for d, n in enumerate(shape):
        if n == 1:
            continue
        if sizes and all(own[-1] == given[d] * n for own, given in zip(steps, strides, strict=True)):
            sizes[-1] *= n
            for own, given in zip(steps, strides, strict=True):
                own[-1] = given[d]
            continue
        sizes.append(n)
        for own, given in zip(steps, strides, strict=True):
            own.append(given[d])
    if len(sizes) > most:
        return None
    missing = most - len(sizes)
    # A single element counts as a row of one.
    return (1,) * missing + tuple(sizes), [(0,) * missing + tuple(own) for own in steps]
