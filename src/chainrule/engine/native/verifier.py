"""Prove a program in bounds before it runs: the loop itself looks at indices alone."""

from __future__ import annotations

from chainrule.engine.native.instruction import Instruction, Reach
from chainrule.engine.native.instructions import End
from chainrule.engine.native.program import Program
from chainrule.engine.native.views import View, extent


def verify(program: Program) -> None:
    """Refuse a program that could touch memory outside of its buffers, or write a constant.

    The fields of its instructions have been checked one by one as they were emitted.

    Raises:
        Unsupported: naming the instruction and the field, what was expected and what came.
    """
    regions = program.regions()
    for instruction in program.instructions:
        for name in instruction.writes:
            buffer = getattr(instruction, name).buffer
            if buffer in program.constants:
                instruction.refuse(name, "a buffer that may be written", f"constant {buffer}")
        reach = instruction.reach()
        for name, view in instruction.operands().items():
            _check_bounds(instruction, name, view, reach[name], regions.get(view.buffer, range(0)))
    if not program.instructions or not isinstance(program.instructions[-1], End):
        End().refuse("program", "this as the last instruction", "another")


def _check_bounds(instruction: Instruction, name: str, view: View, reach: Reach, region: range) -> None:
    kind, sizes, steps = reach
    if min(sizes, default=0) < 0:
        instruction.refuse(name, "sizes of 0 or more", tuple(sizes))
    first, end = ((view.offset + at) * kind.bytes for at in extent(sizes, steps))
    if first < end and not (region.start <= first and end <= region.stop):
        touched, allowed = f"bytes {first} to {end}", f"bytes {region.start} to {region.stop}"
        instruction.refuse(name, f"{allowed} of its buffer", touched)
