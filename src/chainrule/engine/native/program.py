"""A program of the machine: instructions, where their operands lie, and the memory they need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

ALIGNMENT = 64  # bytes: a vector of 512 bits


@dataclass(frozen=True)
class Program:
    """Instructions without addresses.

    Attributes:
        code: int64; 0 where an address belongs.
        places: where in it addresses belong.
        buffers: whose, for each place.
        offsets: bytes from the start of that buffer.
        inputs: the buffers that the caller owns, in order, and how many bytes into its memory the first element lies.
        constants: tensors by buffer.
        scratch: the place of every other buffer in the scratch memory, in bytes.
        size: of the scratch memory, in bytes.
    """

    code: np.ndarray
    places: np.ndarray
    buffers: np.ndarray
    offsets: np.ndarray
    inputs: list[tuple[int, int]]
    constants: dict[int, Tensor]
    scratch: dict[int, int]
    size: int

    def bind(self, inputs: list[int], scratch: int) -> np.ndarray:
        """The code with addresses: of the inputs' first elements, and of scratch memory."""
        base = np.zeros(int(self.buffers.max(initial=0)) + 1, dtype=np.int64)
        for buffer, tensor in self.constants.items():
            base[buffer] = tensor.untyped_storage().data_ptr()
        for buffer, place in self.scratch.items():
            base[buffer] = scratch + place
        for (buffer, offset), address in zip(self.inputs, inputs, strict=True):
            base[buffer] = address - offset
        code = self.code.copy()
        code[self.places] = base[self.buffers] + self.offsets
        return code


def place_buffers(sizes: dict[int, int], uses: dict[int, tuple[int, int]]) -> tuple[dict[int, int], int]:
    """Where buffers lie in one memory, such that those in use at the same time do not overlap.

    Args:
        sizes: bytes of each.
        uses: the first and last instruction that uses each.

    Returns:
        The place of each, and the size of the memory.
    """
    placed: list[tuple[int, int, int, int]] = []  # start, end, first, last
    places = {}
    for buffer in sorted(uses, key=lambda b: (uses[b][0], -sizes[b])):
        first, last = uses[buffer]
        size = -(-sizes[buffer] // ALIGNMENT) * ALIGNMENT
        start = 0
        for other_start, other_end, _, other_last in sorted(placed):
            if other_last < first:
                continue
            if start + size <= other_start:
                break
            start = max(start, other_end)
        placed = [p for p in placed if p[3] >= first]
        placed.append((start, start + size, first, last))
        places[buffer] = start
    return places, max((places[b] + sizes[b] for b in places), default=0) + ALIGNMENT
