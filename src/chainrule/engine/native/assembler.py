"""Write a program, one instruction after another, on views of buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.engine.native.constants import Weights
from chainrule.engine.native.opcodes import Opcode
from chainrule.engine.native.program import Program, place_buffers
from chainrule.engine.native.trace import Recording, Unsupported, View

KIND = {torch.float32: 0, torch.float64: 1, torch.int64: 2, torch.bool: 2}
BYTES = (4, 8, 8)
DIMENSIONS, COPIED = 4, 6  # of an elementwise instruction, and of a copy


def contiguous(view: View) -> bool:
    """Whether its elements are contiguous in memory, in order."""
    step = 1
    for n, stride in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if n != 1 and stride != step:
            return False
        step *= n
    return True


def natural(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a contiguous tensor."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def reshaped(view: View, shape: Sequence[int]) -> View:
    """A contiguous view in another shape."""
    return replace(view, shape=tuple(shape), strides=natural(shape))


def expanded(view: View, shape: Sequence[int]) -> View:
    """Repeated along new dimensions and along those of size 1, as broadcasting does."""
    strides = [0] * (len(shape) - len(view.shape)) + [
        0 if n == 1 else stride for n, stride in zip(view.shape, view.strides, strict=True)
    ]
    return replace(view, shape=tuple(shape), strides=tuple(strides))


def collapsed(
    shape: Sequence[int], strides: Sequence[Sequence[int]], most: int
) -> tuple[list[int], list[list[int]]] | None:
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
    return [1] * missing + sizes, [[0] * missing + own for own in steps]


class Builder:
    """A program being written for a recording.

    Args:
        recording: its buffers are the program's; scratch and constants are added.
        weights: where constants are kept.
    """

    def __init__(self, recording: Recording, weights: Weights) -> None:
        self.recording, self.weights = recording, weights
        self._code: list[int] = []
        self._addresses: list[tuple[int, int, int]] = []
        self._sizes: dict[int, int] = {}
        self._uses: dict[int, tuple[int, int]] = {}
        self._instructions = 0
        self._constants: dict[int, Tensor] = {}
        self._inputs = {view.buffer for view in recording.inputs}
        self._given = dict(recording.constants)
        self._next = 1 + max(
            [
                0,
                *recording.constants,
                *self._inputs,
                *(v.buffer for call in recording.calls for v in views((call.args, call.kwargs, call.out))),
            ]
        )
        for view in recording.inputs:
            if view.dtype not in KIND:
                raise Unsupported(f"its state holds numbers of type {view.dtype}")

    # --- operands ---------------------------------------------------------------------------------

    def kind(self, view: View) -> int:
        """The machine's number for the type of its elements."""
        if view.dtype not in KIND:
            raise Unsupported(f"it computes with numbers of type {view.dtype}")
        return KIND[view.dtype]

    def scratch(self, shape: Sequence[int], dtype: torch.dtype) -> View:
        """A new contiguous tensor of arbitrary content."""
        self._next += 1
        return View(self._next, 0, tuple(shape), natural(shape), dtype)

    def constant(self, tensor: Tensor) -> View:
        """A tensor of the program's own."""
        if tensor.dtype == torch.bool or tensor.dtype in (torch.int32, torch.int16, torch.uint8):
            tensor = tensor.long()
        tensor = tensor.contiguous()
        view = replace(self.scratch(tensor.shape, tensor.dtype), offset=int(tensor.storage_offset()))
        self._constants[view.buffer] = tensor
        return view

    def number(self, value: float, dtype: torch.dtype) -> View:
        """One number, as a view without dimensions."""
        return self.constant(torch.tensor(value, dtype=dtype))

    def tensor_of(self, view: View) -> Tensor | None:
        """The constant that a view shows; None if it changes."""
        if view.buffer in self._constants:
            return self._constants[view.buffer].as_strided(view.shape, view.strides, view.offset)
        if view.buffer not in self._given:
            return None
        return self._given[view.buffer].as_strided(view.shape, view.strides, view.offset)

    def operand(self, value: Any, dtype: torch.dtype) -> View:
        """A view or a number, as a view of elements of a type."""
        if not isinstance(value, View):
            return self.number(value, dtype)
        if value.dtype == dtype or (value.dtype == torch.bool and dtype == torch.int64):
            return value
        return self.cast(value, dtype)

    def dense(self, view: View) -> View:
        """Itself if it is contiguous, else a copy."""
        if contiguous(view):
            return view
        copied = self.scratch(view.shape, view.dtype)
        self.copy(copied, view)
        return copied

    # --- instructions -----------------------------------------------------------------------------

    def emit(self, code: Opcode, *parts: Any) -> None:
        """An instruction; views stand for their addresses."""
        self._code += [int(code), 0]
        start = len(self._code)
        for part in parts:
            if isinstance(part, View):
                self._address(part)
            else:
                self._code.append(int(part))
        self._code[start - 1] = len(self._code) - start + 2
        self._instructions += 1

    def copy(self, to: View, of: View) -> None:
        """Elements of one type to another place; `of` is repeated to the shape of `to`."""
        of = expanded(of, to.shape)
        if 0 in to.shape:
            return
        loops = collapsed(to.shape, [to.strides, of.strides], COPIED)
        if loops is None:
            raise Unsupported(f"it copies between {len(to.shape)} dimensions")
        sizes, (to_steps, of_steps) = loops
        self.emit(Opcode.COPY, self.kind(to), to, of, *sizes, *to_steps, *of_steps)

    def fill(self, to: View, value: float) -> None:
        """The same number everywhere."""
        self.copy(to, self.number(value, torch.int64 if to.dtype == torch.bool else to.dtype))

    def cast(self, view: View, dtype: torch.dtype) -> View:
        """The same numbers as another type."""
        result = self.scratch(view.shape, dtype)
        self.convert(result, view)
        return result

    def convert(self, to: View, of: View) -> None:
        """The numbers of one view, of any type, to another."""
        if to.dtype == torch.bool and of.dtype != torch.bool:
            self.loop(Opcode.COMPARE, self.kind(of), to, [of, self.number(0, of.dtype)], 1)
        elif self.kind(to) == self.kind(of):
            self.copy(to, of)
        elif not contiguous(to):
            self.copy(to, self.cast(expanded(of, to.shape), to.dtype))
        else:
            self._looped(Opcode.CAST, (self.kind(to), self.kind(of)), to, [expanded(of, to.shape)])

    def loop(
        self, code: Opcode, kind: int, out: View, operands: Sequence[View], fn: int | None = None
    ) -> None:
        """An elementwise instruction on operands of the right types, broadcast to the result."""
        head = (kind,) if fn is None else (kind, fn)
        if contiguous(out):
            self._looped(code, head, out, [expanded(view, out.shape) for view in operands])
        else:
            result = self.scratch(out.shape, out.dtype)
            self._looped(code, head, result, [expanded(view, out.shape) for view in operands])
            self.copy(out, result)

    def _looped(self, code: Opcode, head: tuple[int, ...], out: View, operands: list[View]) -> None:
        if 0 in out.shape:
            return
        loops = collapsed(out.shape, [view.strides for view in operands], DIMENSIONS)
        if loops is None or any(steps[-1] not in (0, 1) for steps in loops[1]):
            # What the loops cannot read as it lies is laid out first.
            tight = [
                view if loops is not None and steps[-1] in (0, 1) else self.dense(view)
                for view, steps in zip(operands, loops[1] if loops else [[2]] * len(operands), strict=True)
            ]
            loops = collapsed(out.shape, [view.strides for view in tight], DIMENSIONS)
            if loops is None or any(steps[-1] not in (0, 1) for steps in loops[1]):
                tight = [self.dense(view) for view in tight]
                loops = collapsed(out.shape, [view.strides for view in tight], DIMENSIONS)
            operands = tight
        assert loops is not None
        sizes, steps = loops
        self.emit(code, *head, out, *operands, *sizes, *(step for own in steps for step in own))

    # --- the whole --------------------------------------------------------------------------------

    def finish(self) -> Program:
        """The program."""
        self.emit(Opcode.END)
        scratch, size = place_buffers(self._sizes, self._uses)
        places, buffers, offsets = np.array(self._addresses, dtype=np.int64).reshape(-1, 3).T
        return Program(
            code=np.array(self._code, dtype=np.int64),
            places=places,
            buffers=buffers,
            offsets=offsets,
            inputs=[(view.buffer, view.offset * BYTES[self.kind(view)]) for view in self.recording.inputs],
            constants=self._constants,
            scratch=scratch,
            size=size,
        )

    def _address(self, view: View) -> None:
        buffer = view.buffer
        if buffer in self._given and buffer not in self._constants:
            self._constants[buffer] = _readable(self._given[buffer])
        elif buffer not in self._constants and buffer not in self._inputs:
            end = view.offset + 1 + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
            self._sizes[buffer] = max(self._sizes.get(buffer, 0), end * BYTES[self.kind(view)])
            first, _ = self._uses.get(buffer, (self._instructions, 0))
            self._uses[buffer] = first, self._instructions
        self._addresses.append((len(self._code), buffer, view.offset * BYTES[self.kind(view)]))
        self._code.append(0)


def _readable(tensor: Tensor) -> Tensor:
    """A constant's whole storage in a type that the machine reads."""
    whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
    if tensor.dtype in KIND and tensor.dtype != torch.bool:
        return whole
    if tensor.dtype.is_floating_point:
        raise Unsupported(f"it computes with numbers of type {tensor.dtype}")
    return whole.long()


def views(tree: Any) -> list[View]:
    """All views in arguments or results."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, View)]
