"""A program of the native loop: instructions, their code, and the memory they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from chainrule.engine.native.instruction import Instruction
from chainrule.engine.native.opcodes import KINDS
from chainrule.engine.native.views import View, extent

ALIGNMENT = 64  # bytes: a vector of 512 bits


@dataclass(frozen=True)
class Program:
    """Instructions, and their code without addresses. `print(program)` shows a line for each.

    Attributes:
        instructions: in the order in which they run.
        code: int64; 0 where an address belongs.
        relocations: (R, 3) int64, of each address: position in the code, buffer, bytes from its start.
        inputs: tensors that the caller owns, in order.
        constants: tensors by buffer.
        scratch: the bytes that every other buffer takes of the scratch memory.
        size: of the scratch memory, in bytes.
    """

    instructions: tuple[Instruction, ...]
    code: np.ndarray
    relocations: np.ndarray
    inputs: tuple[View, ...]
    constants: dict[int, Tensor]
    scratch: dict[int, range]
    size: int

    def bind(self, inputs: list[int], scratch: int) -> np.ndarray:
        """The code with addresses: of the inputs' first elements, and of scratch memory."""
        position, buffer, offset = self.relocations.T
        used = [*self.constants, *self.scratch, *(view.buffer for view in self.inputs)]
        base = np.zeros(1 + max(used, default=0), dtype=np.int64)
        for number, tensor in self.constants.items():
            base[number] = tensor.untyped_storage().data_ptr()
        for number, region in self.scratch.items():
            base[number] = scratch + region.start
        for view, address in zip(self.inputs, inputs, strict=True):
            base[view.buffer] = address - view.offset * KINDS[view.dtype].bytes
        code = self.code.copy()
        code[position] = base[buffer] + offset
        return code

    def regions(self) -> dict[int, range]:
        """The bytes of each buffer that may be touched, from its start on."""
        found = {
            number: range(tensor.untyped_storage().nbytes()) for number, tensor in self.constants.items()
        }
        found |= {number: range(len(region)) for number, region in self.scratch.items()}
        for view in self.inputs:
            size = KINDS[view.dtype].bytes
            first, end = (view.offset + at for at in extent(view.shape, view.strides))
            found[view.buffer] = range(first * size, end * size)
        return found

    def __str__(self) -> str:
        names = {view.buffer: f"input{i}" for i, view in enumerate(self.inputs)}
        names |= {buffer: f"const{i}" for i, buffer in enumerate(sorted(self.constants))}
        names |= {buffer: f"temp{i}" for i, buffer in enumerate(sorted(self.scratch))}
        lines = [
            f"{i:4}  {instruction.describe(names.__getitem__)}"
            for i, instruction in enumerate(self.instructions)
        ]
        return "\n".join([f"{len(lines)} instructions, {self.size} bytes of scratch memory", *lines])


def encode(instructions: Sequence[Instruction]) -> tuple[np.ndarray, np.ndarray]:
    """The code of instructions, int64, and its relocations (R, 3)."""
    code: list[int] = []
    relocations: list[tuple[int, int, int]] = []
    for instruction in instructions:
        for part in instruction.encode():
            if isinstance(part, View):
                relocations.append((len(code), part.buffer, part.offset * KINDS[part.dtype].bytes))
            code.append(0 if isinstance(part, View) else part)
    return np.array(code, dtype=np.int64), np.array(relocations, dtype=np.int64).reshape(-1, 3)


def plan_scratch(
    sizes: Mapping[int, int], uses: Mapping[int, tuple[int, int]]
) -> tuple[dict[int, range], int]:
    """Where buffers lie in one memory, such that those in use at the same time do not overlap.

    Args:
        sizes: bytes of each.
        uses: the first and last instruction that uses each.

    Returns:
        The bytes that each takes, and the size of the memory.
    """
    live: list[tuple[int, int, int, int]] = []  # start, end, first, last
    taken = {}
    for buffer in sorted(uses, key=lambda b: (uses[b][0], -sizes[b])):
        first, last = uses[buffer]
        size = -(-sizes[buffer] // ALIGNMENT) * ALIGNMENT
        start = 0
        for other_start, other_end, _, other_last in sorted(live):
            if other_last < first:
                continue
            if start + size <= other_start:
                break
            start = max(start, other_end)
        live = [other for other in live if other[3] >= first]
        live.append((start, start + size, first, last))
        taken[buffer] = range(start, start + sizes[buffer])
    return taken, max((region.stop for region in taken.values()), default=0) + ALIGNMENT
