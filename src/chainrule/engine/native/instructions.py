"""The instructions of the native loop: a class gives the layout to assembler, loop, verifier and printer.

Steps are in elements. Results of elementwise instructions are contiguous; their operands have a step for each of four
dimensions, 0 where an element repeats, and the last step is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from chainrule.engine.native import external
from chainrule.engine.native.instruction import Instruction, Reach, instruction, vector
from chainrule.engine.native.kernels import formulas
from chainrule.engine.native.kernels.simd import DOUBLE, FLOAT, PANEL
from chainrule.engine.native.opcodes import REDUCTIONS, SCALAR, Kind, Opcode
from chainrule.engine.native.views import View, natural

DIMENSIONS, COPIED = 4, 6  # of an elementwise instruction, and of a copy
FLOATS: Sequence[Kind] = (Kind.FLOAT32, Kind.FLOAT64)
PANELS = {Kind.FLOAT32: PANEL[FLOAT], Kind.FLOAT64: PANEL[DOUBLE]}
Vector = tuple[int, ...]


def dense(kind: Kind, *sizes: int) -> Reach:
    """A contiguous operand of these sizes."""
    return Reach(kind, sizes, natural(sizes))


class Elementwise(Instruction):
    """Loops over `sizes`: `out` is contiguous, every other operand has steps, the last of which is 0 or 1."""

    kind: Kind
    sizes: Vector

    def check(self) -> None:
        """As any instruction's."""
        super().check()
        for name, (_, _, steps) in self.reach().items():
            if steps[-1] not in (0, 1):
                self.refuse(f"{name}_steps", "0 or 1 as the last", steps)

    def _reach(self) -> dict[str, Reach]:
        found = {"out": Reach(self._kind_of("out"), self.sizes, natural(self.sizes))}
        for name in self.operands().keys() - {"out"}:
            found[name] = Reach(self._kind_of(name), self.sizes, getattr(self, f"{name}_steps"))
        return found

    def _kind_of(self, name: str) -> Kind:
        return self.kind


@instruction(Opcode.END)
class End(Instruction):
    """The site is done."""

    writes = ()


@instruction(Opcode.UNARY)
class Unary(Elementwise):
    """out = function(a), in vectors."""

    kinds = FLOATS
    kind: Kind
    function: str
    out: View
    a: View
    sizes: Vector = vector(DIMENSIONS)
    a_steps: Vector = vector(DIMENSIONS)

    def _functions(self) -> Sequence[str]:
        return list(formulas.UNARY if self.kind == Kind.FLOAT32 else formulas.UNARY_F64)


@instruction(Opcode.UNARY_SCALAR)
class UnaryScalar(Unary):
    """out = function(a), one element at a time."""

    def _functions(self) -> Sequence[str]:
        return SCALAR


@instruction(Opcode.CAST)
class Cast(Elementwise):
    """out = a, as elements of another kind."""

    kind: Kind
    a_kind: Kind
    out: View
    a: View
    sizes: Vector = vector(DIMENSIONS)
    a_steps: Vector = vector(DIMENSIONS)

    def _kind_of(self, name: str) -> Kind:
        return self.kind if name == "out" else self.a_kind


@instruction(Opcode.BINARY)
class Binary(Elementwise):
    """out = function(a, b)."""

    kinds: ClassVar[Sequence[Kind]] = FLOATS
    kind: Kind
    function: str
    out: View
    a: View
    b: View
    sizes: Vector = vector(DIMENSIONS)
    a_steps: Vector = vector(DIMENSIONS)
    b_steps: Vector = vector(DIMENSIONS)

    def _functions(self) -> Sequence[str]:
        return list(formulas.BINARY)


@instruction(Opcode.BINARY_INT)
class BinaryInt(Binary):
    """out = function(a, b), of integers."""

    kinds = (Kind.INT64,)

    def _functions(self) -> Sequence[str]:
        return list(formulas.BINARY_INT)


@instruction(Opcode.COMPARE)
class Compare(Binary):
    """out = 1 where the comparison of a and b holds, else 0; out is int64, `kind` that of a and b."""

    kinds = tuple(Kind)

    def _functions(self) -> Sequence[str]:
        return list(formulas.COMPARE)

    def _kind_of(self, name: str) -> Kind:
        return Kind.INT64 if name == "out" else self.kind


@instruction(Opcode.EXTERNAL)
class External(Binary):
    """out = function(a, b), or function(a) where b is a again: a function registered from outside."""

    def _functions(self) -> Sequence[str]:
        return list(external.FUNCTIONS)

    def _function_number(self, function: str) -> int:
        return external.address(function, self.kind == Kind.FLOAT64)


@instruction(Opcode.DIVIDE_INT)
class DivideInt(Instruction):
    """out = ⌊a / divisor⌋, or the remainder; int64, contiguous."""

    remainder: bool
    out: View
    a: View
    divisor: View
    size: int

    def _reach(self) -> dict[str, Reach]:
        own = dense(Kind.INT64, self.size)
        return {"out": own, "a": own, "divisor": dense(Kind.INT64, 1)}


@instruction(Opcode.WHERE)
class Where(Elementwise):
    """out = a where the mask is not 0, else b."""

    kind: Kind
    out: View
    mask: View
    a: View
    b: View
    sizes: Vector = vector(DIMENSIONS)
    mask_steps: Vector = vector(DIMENSIONS)
    a_steps: Vector = vector(DIMENSIONS)
    b_steps: Vector = vector(DIMENSIONS)

    def _kind_of(self, name: str) -> Kind:
        return Kind.INT64 if name == "mask" else self.kind


@instruction(Opcode.COPY)
class Copy(Instruction):
    """out = a, both strided."""

    kind: Kind
    out: View
    a: View
    sizes: Vector = vector(COPIED)
    out_steps: Vector = vector(COPIED)
    a_steps: Vector = vector(COPIED)

    def _reach(self) -> dict[str, Reach]:
        steps = {"out": self.out_steps, "a": self.a_steps}
        return {name: Reach(self.kind, self.sizes, own) for name, own in steps.items()}


@instruction(Opcode.COPY_AT)
class CopyAt(Instruction):
    """out[i] = a[indices[i]] for each i, or out[indices[i]] = a[i] if `scatter`; the loop refuses an index ≥ `limit`.

    Slices have `sizes`, and `out_stride` and `a_stride` elements between one and the next.
    """

    kind: Kind
    out: View
    a: View
    indices: View
    number: int
    limit: int
    scatter: bool
    out_stride: int
    a_stride: int
    sizes: Vector = vector(COPIED)
    out_steps: Vector = vector(COPIED)
    a_steps: Vector = vector(COPIED)

    def _reach(self) -> dict[str, Reach]:
        out, a = (self.limit, self.number) if self.scatter else (self.number, self.limit)
        return {
            "out": Reach(self.kind, (out, *self.sizes), (self.out_stride, *self.out_steps)),
            "a": Reach(self.kind, (a, *self.sizes), (self.a_stride, *self.a_steps)),
            "indices": dense(Kind.INT64, self.number),
        }


@instruction(Opcode.MATMUL_PACKED)
class MatmulPacked(Instruction):
    """out (R, N) += a (R, K) weight (K, N), a constant in panels of columns.

    Beside float32 the weight may be bfloat16 or int8, beside float64 float32.
    """

    kinds = FLOATS
    writes = ("out", "spare")
    kind: Kind
    bytes: int  # of an element of the weight
    out: View
    a: View
    a_row: int
    weight: View
    rows: int
    inner: int
    outer: int
    spare: View

    def _reach(self) -> dict[str, Reach]:
        panel = PANELS[self.kind]
        packed = -(-self.outer // panel) * panel * self.inner
        return {
            "out": dense(self.kind, self.rows, self.outer),
            "a": Reach(self.kind, (self.rows, self.inner), (self.a_row, 1)),
            "weight": dense(self.kind, packed)
            if self.bytes == self.kind.bytes
            else dense(Kind.INT64, packed * self.bytes // 8),
            "spare": dense(self.kind, self.rows, panel),
        }


@instruction(Opcode.MATMUL)
class Matmul(Instruction):
    """out (R, N) += a (R, K) weightᵀ, of a weight (N, K)."""

    kinds = FLOATS
    kind: Kind
    out: View
    a: View
    a_row: int
    weight: View
    weight_row: int
    rows: int
    inner: int
    outer: int

    def _reach(self) -> dict[str, Reach]:
        return {
            "out": dense(self.kind, self.rows, self.outer),
            "a": Reach(self.kind, (self.rows, self.inner), (self.a_row, 1)),
            "weight": Reach(self.kind, (self.outer, self.inner), (self.weight_row, 1)),
        }


@instruction(Opcode.SOFTMAX)
class Softmax(Instruction):
    """Each row of `width` numbers to its softmax, or the logarithm of it."""

    kinds = FLOATS
    kind: Kind
    out: View
    a: View
    rows: int
    width: int
    log: bool

    def _reach(self) -> dict[str, Reach]:
        own = dense(self.kind, self.rows, self.width)
        return {"out": own, "a": own}


@instruction(Opcode.REDUCE)
class Reduce(Instruction):
    """Each row of `width` numbers to one, or to its running sums."""

    kind: Kind
    function: str
    out: View
    a: View
    rows: int
    width: int

    def _functions(self) -> Sequence[str]:
        return ("sum",) if self.kind == Kind.INT64 else REDUCTIONS

    def _reach(self) -> dict[str, Reach]:
        found = (self.rows, self.width) if self.function == "cumsum" else (self.rows,)
        kind = Kind.INT64 if self.function == "argmax" else self.kind
        return {"out": dense(kind, *found), "a": dense(self.kind, self.rows, self.width)}


@instruction(Opcode.SEARCH)
class Search(Instruction):
    """Where each of a row's `number` values belongs among its `width` sorted ones: after equal ones if `right`."""

    kinds = FLOATS
    kind: Kind
    out: View
    a: View
    values: View
    rows: int
    width: int
    number: int
    right: bool

    def _reach(self) -> dict[str, Reach]:
        return {
            "out": dense(Kind.INT64, self.rows, self.number),
            "a": dense(self.kind, self.rows, self.width),
            "values": dense(self.kind, self.rows, self.number),
        }


@instruction(Opcode.LAYER_NORM)
class LayerNorm(Instruction):
    """out = (a - mean) / √(variance + eps) · weight + bias, of each row; eps is float64."""

    kinds = FLOATS
    kind: Kind
    out: View
    a: View
    weight: View
    bias: View
    rows: int
    width: int
    eps: View

    def _reach(self) -> dict[str, Reach]:
        own, each = dense(self.kind, self.rows, self.width), dense(self.kind, self.width)
        return {"out": own, "a": own, "weight": each, "bias": each, "eps": dense(Kind.FLOAT64, 1)}


@instruction(Opcode.GATHER)
class Gather(Instruction):
    """out[r, j] = a[r, indices[r, j]] of `rows` rows; the loop refuses an index ≥ `width`."""

    kind: Kind
    out: View
    a: View
    indices: View
    rows: int
    width: int
    number: int

    def _reach(self) -> dict[str, Reach]:
        return {
            "out": dense(self.kind, self.rows, self.number),
            "a": dense(self.kind, self.rows, self.width),
            "indices": dense(Kind.INT64, self.rows, self.number),
        }


@instruction(Opcode.ATTENTION)
class Attention(Instruction):
    """out = softmax(scale · queries keysᵀ + mask) values; scale is float64, `scores` room for the L of one query.

    Sizes are B, H, M, L, d; steps are those of batches, heads and places, of the mask batches, heads, queries and keys.
    """

    kinds = FLOATS
    writes = ("out", "scores")
    kind: Kind
    out: View
    queries: View
    keys: View
    values: View
    mask: View
    scores: View
    scale: View
    sizes: Vector = vector(5)
    out_steps: Vector = vector(3)
    query_steps: Vector = vector(3)
    key_steps: Vector = vector(3)
    value_steps: Vector = vector(3)
    mask_steps: Vector = vector(4)

    def _reach(self) -> dict[str, Reach]:
        batch, heads, queries, keys, width = self.sizes
        asked, kept = (batch, heads, queries, width), (batch, heads, keys, width)
        return {
            "out": Reach(self.kind, asked, (*self.out_steps, 1)),
            "queries": Reach(self.kind, asked, (*self.query_steps, 1)),
            "keys": Reach(self.kind, kept, (*self.key_steps, 1)),
            "values": Reach(self.kind, kept, (*self.value_steps, 1)),
            "mask": Reach(self.kind, (batch, heads, queries, keys), self.mask_steps),
            "scores": dense(self.kind, keys),
            "scale": dense(Kind.FLOAT64, 1),
        }
