"""Write a program, one instruction after another, on views of buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from chainrule.engine.native.constants import Weights
from chainrule.engine.native.instruction import Instruction
from chainrule.engine.native.instructions import COPIED, DIMENSIONS, Cast, Compare, Copy, End
from chainrule.engine.native.opcodes import KINDS, Kind
from chainrule.engine.native.program import Program, encode, plan_scratch
from chainrule.engine.native.trace import Recording, Unsupported
from chainrule.engine.native.verifier import verify
from chainrule.engine.native.views import View, collapsed, extent, natural

Make = Callable[..., Instruction]


class Builder:
    """A program being written for a recording.

    Args:
        recording: its buffers are the program's; scratch and constants are added.
        weights: where constants are kept.
    """

    def __init__(self, recording: Recording, weights: Weights) -> None:
        self.recording, self.weights = recording, weights
        self._instructions: list[Instruction] = []
        self._sizes: dict[int, int] = {}
        self._uses: dict[int, tuple[int, int]] = {}
        self._constants: dict[int, Tensor] = {}
        self._used: set[int] = set()
        self._inputs = {view.buffer for view in recording.inputs}
        self._given = dict(recording.constants)
        self._next = 1 + max([0, *recording.tensors, *self._inputs])
        for view in recording.inputs:
            if view.dtype not in KINDS:
                raise Unsupported(f"its state holds numbers of type {view.dtype}")

    # --- operands ---------------------------------------------------------------------------------

    def kind(self, view: View) -> Kind:
        """The type of its elements."""
        if view.dtype not in KINDS:
            raise Unsupported(f"it computes with numbers of type {view.dtype}")
        return KINDS[view.dtype]

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
        if view.contiguous:
            return view
        copied = self.scratch(view.shape, view.dtype)
        self.copy(copied, view)
        return copied

    # --- instructions -----------------------------------------------------------------------------

    def emit(self, instruction: Instruction) -> None:
        """Add an instruction.

        Raises:
            Unsupported: naming the field that the loop could not run.
        """
        instruction.check()
        for view in instruction.operands().values():
            self._use(view)
        self._instructions.append(instruction)

    def copy(self, to: View, of: View) -> None:
        """Elements of one type from one view to another; `of` is repeated to the shape of `to`."""
        of = of.expanded(to.shape)
        if 0 in to.shape:
            return
        loops = collapsed(to.shape, [to.strides, of.strides], COPIED)
        if loops is None:
            raise Unsupported(f"it copies between {len(to.shape)} dimensions")
        sizes, (to_steps, of_steps) = loops
        self.emit(Copy(self.kind(to), to, of, sizes, to_steps, of_steps))

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
            self.loop(partial(Compare, self.kind(of), "ne"), to, [of, self.number(0, of.dtype)])
        elif self.kind(to) == self.kind(of):
            self.copy(to, of)
        else:
            self.loop(partial(Cast, self.kind(to), self.kind(of)), to, [of])

    def loop(self, make: Make, out: View, operands: Sequence[View]) -> None:
        """An elementwise instruction on operands of the right types, broadcast to the result.

        Args:
            make: the instruction, given its operands, their sizes and steps.
            out: the result.
            operands: the others.
        """
        if 0 in out.shape:
            return
        result = out if out.contiguous else self.scratch(out.shape, out.dtype)
        tight = [view.expanded(out.shape) for view in operands]
        loops = _loops(result, tight)
        if loops is None or any(map(_scattered, loops[1])):
            # What the loops cannot read as it lies is laid out first.
            scattered = [True] * len(tight) if loops is None else map(_scattered, loops[1])
            tight = [self.dense(view) if bad else view for view, bad in zip(tight, scattered, strict=True)]
            loops = _loops(result, tight)
            if loops is None or any(map(_scattered, loops[1])):
                tight = [self.dense(view) for view in tight]
                loops = _loops(result, tight)
        assert loops is not None
        sizes, steps = loops
        self.emit(make(result, *tight, sizes, *steps))
        if result is not out:
            self.copy(out, result)

    # --- the whole --------------------------------------------------------------------------------

    def finish(self) -> Program:
        """The program, proved to stay in bounds.

        Raises:
            Unsupported: naming an instruction that does not.
        """
        self.emit(End())
        scratch, size = plan_scratch(self._sizes, self._uses)
        code, relocations = encode(self._instructions)
        program = Program(
            instructions=tuple(self._instructions),
            code=code,
            relocations=relocations,
            inputs=tuple(self.recording.inputs),
            constants={b: tensor for b, tensor in self._constants.items() if b in self._used},
            scratch=scratch,
            size=size,
        )
        verify(program)
        return program

    def _use(self, view: View) -> None:
        buffer, now = view.buffer, len(self._instructions)
        self._used.add(buffer)
        if buffer in self._constants or buffer in self._inputs:
            return
        if buffer in self._given:
            self._constants[buffer] = _readable(self._given[buffer])
            return
        end = (view.offset + extent(view.shape, view.strides)[1]) * self.kind(view).bytes
        self._sizes[buffer] = max(self._sizes.get(buffer, 0), end)
        self._uses[buffer] = self._uses.get(buffer, (now, now))[0], now


def _loops(out: View, operands: Sequence[View]) -> tuple[tuple[int, ...], list[tuple[int, ...]]] | None:
    return collapsed(out.shape, [view.strides for view in operands], DIMENSIONS)


def _scattered(steps: Sequence[int]) -> bool:
    return steps[-1] not in (0, 1)


def _readable(tensor: Tensor) -> Tensor:
    """A constant's whole storage in a type that the loop reads."""
    whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
    if tensor.dtype in KINDS and tensor.dtype != torch.bool:
        return whole
    if tensor.dtype.is_floating_point:
        raise Unsupported(f"it computes with numbers of type {tensor.dtype}")
    return whole.long()
