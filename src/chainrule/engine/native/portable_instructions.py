"""The instructions of portable arithmetic, beside those that give the same bits everywhere as they are."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.engine.native.instruction import Instruction, Reach, instruction
from chainrule.engine.native.instructions import FLOATS, Unary, dense
from chainrule.engine.native.kernels import formulas
from chainrule.engine.native.opcodes import Kind, Opcode
from chainrule.engine.native.views import View


@instruction(Opcode.UNARY_PORTABLE)
class UnaryPortable(Unary):
    """out = function(a) in portable arithmetic."""

    def _functions(self) -> Sequence[str]:
        return list(formulas.PORTABLE if self.kind == Kind.FLOAT32 else formulas.PORTABLE_F64)


@instruction(Opcode.ON_GRID)
class OnGrid(Instruction):
    """out (R, K) · steps (R,) ≈ a (R, K): whole numbers up to 2^22 times a power of two, both float64."""

    kinds = FLOATS
    writes = ("out", "steps")
    kind: Kind  # of a
    out: View
    steps: View
    a: View
    a_row: int
    rows: int
    inner: int

    def _reach(self) -> dict[str, Reach]:
        return {
            "out": dense(Kind.FLOAT64, self.rows, self.inner),
            "steps": dense(Kind.FLOAT64, self.rows),
            "a": Reach(self.kind, (self.rows, self.inner), (self.a_row, 1)),
        }


@instruction(Opcode.TOTAL)
class Total(Instruction):
    """The sum of each row of `width` float64 numbers, by halves; `a` does not outlive it."""

    writes = ("out", "a")
    out: View
    a: View
    rows: int
    width: int

    def _reach(self) -> dict[str, Reach]:
        return {
            "out": dense(Kind.FLOAT64, self.rows),
            "a": dense(Kind.FLOAT64, self.rows, self.width),
        }
