"""Products with a masked matrix that leave out what the mask leaves out anyway."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

# Weights of one product: with fewer, calls take longer than the masked weights that they leave out.
BLOCK = 1 << 16


class Block(NamedTuple):
    """Outputs first … last-1, of which none reads an input from `reads` on."""

    first: int
    last: int
    reads: int


def blocks_of(mask: Tensor) -> list[Block]:
    """Runs of rows of a mask (outputs, inputs), as many as `BLOCK` asks for, each with the columns that it reads."""
    outputs, inputs = mask.shape
    count = max(1, min(round(outputs * inputs / BLOCK), outputs))
    ends = torch.where(mask.bool(), torch.arange(1, inputs + 1), 0).amax(1) if count > 1 else None
    edges = [outputs * i // count for i in range(count + 1)]
    return [Block(a, b, inputs if ends is None else int(ends[a:b].max())) for a, b in pairwise(edges)]


class MaskedProduct:
    """W ⊙ mask, and its products. No gradient is kept: whoever calls takes care of it.

    B items by features may lie in memory either way; what comes out lies as what went in.

    Args:
        weight: W (outputs, inputs).
        mask: of the same shape, 0 or 1.
        blocks: of the mask.
    """

    def __init__(self, weight: Tensor, mask: Tensor, blocks: Sequence[Block]) -> None:
        self.mask, self.blocks = mask, blocks
        self.parts = [_rows(weight, a, b, n) * _rows(mask, a, b, n) for a, b, n in blocks]

    def times(self, x: Tensor, shift: Tensor | None = None, into: Tensor | None = None) -> Tensor:
        """W x + b, (B, inputs) → (B, outputs); or added to `into`, in place."""
        y = _empty(x, len(self.mask)) if into is None else into
        for (a, b, n), part in zip(self.blocks, self.parts, strict=True):
            rows, read = _columns(y, a, b), _columns(x, 0, n)
            if into is not None:
                rows.addmm_(read, part.T)
            elif shift is None:
                torch.mm(read, part.T, out=rows)
            else:
                torch.addmm(shift[a:b], read, part.T, out=rows)
        return y

    def back(self, grad: Tensor, into: Tensor | None = None) -> Tensor:
        """The gradient of x, from that of y (B, outputs) → (B, inputs); or added to `into`, in place."""
        if into is None and len(self.blocks) == 1:
            return torch.mm(grad, self.parts[0], out=_empty(grad, self.mask.shape[1]))
        found = _empty(grad, self.mask.shape[1]).zero_() if into is None else into
        for (a, b, n), part in zip(self.blocks, self.parts, strict=True):
            _columns(found, 0, n).addmm_(_columns(grad, a, b), part)
        return found

    def outer(self, grad: Tensor, x: Tensor) -> Tensor:
        """Of W, from the gradient of y (B, outputs) and x (B, inputs)."""
        if len(self.blocks) == 1:
            return (grad.T @ x).mul_(self.mask)
        found = torch.zeros_like(self.mask)
        for a, b, n in self.blocks:
            product = _columns(grad, a, b).T @ _columns(x, 0, n)
            torch.mul(product, self.mask[a:b, :n], out=found[a:b, :n])
        return found


def _empty(x: Tensor, features: int) -> Tensor:
    """(B, features), feature by feature in memory if x is."""
    if x.stride(0) == 1 and x.stride(1) != 1:
        return x.new_empty(features, len(x)).T
    return x.new_empty(len(x), features)


def _columns(t: Tensor, first: int, last: int) -> Tensor:
    return t if last - first == t.shape[1] else t[:, first:last]


def _rows(t: Tensor, first: int, last: int, columns: int) -> Tensor:
    return t if (last - first, columns) == t.shape else t[first:last, :columns]
