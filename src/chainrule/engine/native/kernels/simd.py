"""Numbers in vectors: what an inner loop is written in, for the compiler's back end directly.

numba would take a minute and a half for the same loops, since it types, lowers and optimises each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

I64, I32, BIT = ir.IntType(64), ir.IntType(32), ir.IntType(1)
FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()
BYTES = {FLOAT: 4, DOUBLE: 8, I64: 8}
LANES = {FLOAT: 16, DOUBLE: 8, I64: 8}  # 512 bits; a processor with shorter vectors takes several of them
PANEL = {kind: 2 * LANES[kind] for kind in (FLOAT, DOUBLE)}  # columns of a packed weight that lie together
BIAS, PLACES = 1023, 52  # of the exponent, and of the fraction, of a float64
NAMES = {FLOAT: "f32", DOUBLE: "f64", I64: "i64"}


class Vector:
    """A vector of numbers in the function that `builder` writes, with the operators of Python."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @property
    def scalar(self) -> Any:
        """The type of its numbers."""
        return self.value.type.element

    @property
    def floats(self) -> bool:
        """Whether they are floats."""
        return self.scalar in (FLOAT, DOUBLE)

    def like(self, number: float) -> Vector:
        """The same number in every lane."""
        return Vector(self.builder, ir.Constant(self.value.type, [number] * self.value.type.count))

    def _other(self, other: Any) -> Any:
        return (other if isinstance(other, Vector) else self.like(other)).value

    def _do(self, floats: str, integers: str, other: Any) -> Vector:
        name = floats if self.floats else integers
        return Vector(self.builder, getattr(self.builder, name)(self.value, self._other(other)))

    def __add__(self, other: Any) -> Vector:
        return self._do("fadd", "add", other)

    def __sub__(self, other: Any) -> Vector:
        return self._do("fsub", "sub", other)

    def __mul__(self, other: Any) -> Vector:
        return self._do("fmul", "mul", other)

    def __truediv__(self, other: Any) -> Vector:
        return self._do("fdiv", "sdiv", other)

    def __neg__(self) -> Vector:
        return self.like(-0.0 if self.floats else 0) - self

    def compare(self, sign: str, other: Any) -> Vector:
        """A vector of bits; with a NaN, only != is true."""
        builder = self.builder
        if not self.floats:
            return Vector(builder, builder.icmp_signed(sign, self.value, self._other(other)))
        compare = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
        return Vector(builder, compare(sign, self.value, self._other(other)))

    def choose(self, a: Any, b: Any) -> Vector:
        """a where this bit is set, else b."""
        first = a if isinstance(a, Vector) else b.like(a)
        return Vector(self.builder, self.builder.select(self.value, first.value, first._other(b)))

    def intrinsic(self, name: str, *others: Vector) -> Vector:
        """One of LLVM's functions of vectors of one type."""
        kind = self.value.type
        full = f"llvm.{name}.v{kind.count}{NAMES[self.scalar]}"
        module = self.builder.module
        signature = ir.FunctionType(kind, [kind] * (1 + len(others)))
        function = module.globals.get(full) or ir.Function(module, signature, full)
        return Vector(self.builder, self.builder.call(function, [self.value, *(o.value for o in others)]))

    def floor(self) -> Vector:
        """⌊x⌋."""
        return self.intrinsic("floor")

    def sqrt(self) -> Vector:
        """√x, rounded correctly."""
        return self.intrinsic("sqrt")

    def size(self) -> Vector:
        """|x|."""
        return self.intrinsic("fabs")

    def power_of_two(self) -> Vector:
        """2^x of float64 whole numbers x in -1022 … 1023."""
        bits = (self.to(I64) + BIAS)._shifted("shl")
        return Vector(self.builder, self.builder.bitcast(bits.value, self.value.type))

    def exponent(self) -> Vector:
        """⌊log₂ x⌋ of float64 x ≥ 2^-1022."""
        return (self._bits()._shifted("lshr") - BIAS).to(DOUBLE)

    def fraction(self) -> Vector:
        """x / 2^⌊log₂ x⌋ of float64 x ≥ 2^-1022."""
        bits, builder = self._bits(), self.builder
        within = builder.and_(bits.value, bits.like((1 << PLACES) - 1).value)
        return Vector(
            builder, builder.bitcast(builder.or_(within, bits.like(BIAS << PLACES).value), self.value.type)
        )

    def _bits(self) -> Vector:
        whole = ir.VectorType(I64, self.value.type.count)
        return Vector(self.builder, self.builder.bitcast(self.value, whole))

    def _shifted(self, how: str) -> Vector:
        return Vector(self.builder, getattr(self.builder, how)(self.value, self.like(PLACES).value))

    def fma(self, factor: Any, addend: Any) -> Vector:
        """self · factor + addend, rounded once."""
        factor, addend = (Vector(self.builder, self._other(value)) for value in (factor, addend))
        return self.intrinsic("fma", factor, addend)

    def to(self, scalar: Any) -> Vector:
        """The same numbers as another type; floats are cut to integers."""
        target, builder = ir.VectorType(scalar, self.value.type.count), self.builder
        if scalar == self.scalar:
            return self
        if not self.floats:
            return Vector(builder, builder.sitofp(self.value, target))
        if scalar == I64:
            return Vector(builder, builder.fptosi(self.value, target))
        change = builder.fpext if scalar == DOUBLE else builder.fptrunc
        return Vector(builder, change(self.value, target))


def splat(builder: Any, value: Any, lanes: int) -> Any:
    """A scalar in every lane."""
    kind = ir.VectorType(value.type, lanes)
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, value, I32(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def pointer(builder: Any, address: Any, kind: Any) -> Any:
    """An address as a pointer to values of a type."""
    return builder.inttoptr(address, kind.as_pointer())


def load(builder: Any, address: Any, kind: Any) -> Any:
    """A vector, at any address that its numbers may have."""
    return builder.load(pointer(builder, address, kind), align=BYTES[kind.element])


def store(builder: Any, value: Any, address: Any) -> None:
    """As `load`."""
    builder.store(value, pointer(builder, address, value.type), align=BYTES[value.type.element])


def repeat(
    builder: Any, stop: Any, start: Sequence[Any], body: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """For i in range(stop): values = body(i, values); what they are at the end."""
    before = builder.block
    inside, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.cbranch(builder.icmp_signed(">", stop, I64(0)), inside, after)
    builder.position_at_end(inside)
    i = builder.phi(I64)
    i.add_incoming(I64(0), before)
    values = []
    for value in start:
        values.append(builder.phi(value.type))
        values[-1].add_incoming(value, before)
    updated = body(i, values)
    inside_end = builder.block
    following = builder.add(i, I64(1))
    i.add_incoming(following, inside_end)
    for phi, value in zip(values, updated, strict=True):
        phi.add_incoming(value, inside_end)
    builder.cbranch(builder.icmp_signed("<", following, stop), inside, after)
    builder.position_at_end(after)
    ended = []
    for value, last in zip(start, updated, strict=True):
        ended.append(builder.phi(value.type))
        ended[-1].add_incoming(value, before)
        ended[-1].add_incoming(last, inside_end)
    return ended


class _Operand:
    """An array at an address whose elements lie together (step 1), or one number for all (step 0)."""

    def __init__(self, builder: Any, address: Any, step: Any, scalar: Any, lanes: int) -> None:
        self.kind = ir.VectorType(scalar, lanes)
        self.builder, self.scalar = builder, scalar
        # One number is put into a vector of its own, from which the loop then reads without moving on.
        with builder.goto_entry_block():
            own = builder.alloca(self.kind)
        repeated = builder.icmp_signed("==", step, I64(0))
        with builder.if_then(repeated):
            one = builder.load(pointer(builder, address, scalar), align=BYTES[scalar])
            builder.store(splat(builder, one, lanes), own)
        self.address = builder.select(repeated, builder.ptrtoint(own, I64), address)
        self.step = builder.mul(step, I64(BYTES[scalar] * lanes))
        self.repeated = repeated

    def at(self, i: Any) -> Vector:
        """Vector i."""
        builder = self.builder
        place = builder.add(self.address, builder.mul(i, self.step))
        return Vector(builder, load(builder, place, self.kind))

    def some(self, i: Any, mask: Any) -> Vector:
        """The lanes of vector i that a mask names."""
        builder, kind = self.builder, self.kind
        place = builder.add(self.address, builder.mul(i, self.step))
        name = f"llvm.masked.load.v{kind.count}{NAMES[self.scalar]}.p0"
        signature = ir.FunctionType(kind, [kind.as_pointer(), I32, mask.type, kind])
        function = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
        zero = ir.Constant(kind, None)
        args = [pointer(builder, place, kind), I32(BYTES[self.scalar]), mask, zero]
        return Vector(builder, builder.call(function, args))


def elementwise(
    builder: Any,
    function: Callable[..., Vector],
    out: tuple[Any, Any],
    operands: Sequence[tuple[Any, Any, Any]],
    n: Any,
) -> None:
    """out[i] = function(a[i], b[i], …) for i in range(n).

    Args:
        builder: of the function being written.
        function: of vectors.
        out: address and type of the result's numbers.
        operands: address, step (0 or 1) and type of each.
        n: how many, an LLVM value.
    """
    address, scalar = out
    lanes = min(LANES[kind] for kind in (scalar, *(kind for _, _, kind in operands)))
    given = [_Operand(builder, place, step, kind, lanes) for place, step, kind in operands]
    whole = builder.sdiv(n, I64(lanes))

    def place(i: Any) -> Any:
        return builder.add(address, builder.mul(i, I64(lanes * BYTES[scalar])))

    def body(i: Any, _: list[Any]) -> list[Any]:
        store(builder, function(*(operand.at(i) for operand in given)).value, place(i))
        return []

    repeat(builder, whole, [], body)
    rest = builder.sub(n, builder.mul(whole, I64(lanes)))
    with builder.if_then(builder.icmp_signed(">", rest, I64(0))):
        numbers = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
        mask = builder.icmp_signed("<", numbers, splat(builder, rest, lanes))
        value = function(*(operand.some(whole, mask) for operand in given)).value
        name = f"llvm.masked.store.v{lanes}{NAMES[scalar]}.p0"
        target = pointer(builder, place(whole), value.type)
        signature = ir.FunctionType(ir.VoidType(), [value.type, target.type, I32, mask.type])
        store_some = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
        builder.call(store_some, [value, target, I32(BYTES[scalar]), mask])
