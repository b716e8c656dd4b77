"""Portable arithmetic: what gives the same bits on every processor. No two operations are joined here into one."""

from __future__ import annotations

from typing import Any

import numba as nb
from llvmlite import ir as llvm
from numba.core import types
from numba.extending import intrinsic

from chainrule.engine.native.kernels import intrinsics as ir
from chainrule.engine.native.kernels.elementwise import loops
from chainrule.engine.native.kernels.formulas import PORTABLE, PORTABLE_F64
from chainrule.engine.native.kernels.matmul import FAST
from chainrule.engine.native.kernels.simd import (
    BIAS,
    BYTES,
    DOUBLE,
    FLOAT,
    I32,
    I64,
    LANES,
    PLACES,
    Vector,
    load,
    repeat,
)
from chainrule.engine.portable.sums import BITS, LEAST

STRICT: dict[str, Any] = {**FAST, "fastmath": False}

unary_f32 = loops(list(PORTABLE.values()), FLOAT, [FLOAT])
unary_f64 = loops(list(PORTABLE_F64.values()), DOUBLE, [DOUBLE])
_add = loops([lambda x, y: x + y], DOUBLE, [DOUBLE, DOUBLE])
_round_f32, _round_f64 = (
    loops([lambda x, scale: (x.to(DOUBLE) * scale).intrinsic("rint")], DOUBLE, [kind, DOUBLE])
    for kind in (FLOAT, DOUBLE)
)


def _largest(scalar: Any, result: Any) -> Any:
    lanes, size = LANES[scalar], BYTES[scalar]
    kind = llvm.VectorType(scalar, lanes)

    @intrinsic
    def largest(context: Any, a: Any, n: Any) -> Any:
        """max |a[i]| over whole vectors of an array at an address; the rest is the caller's."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, n = args

            def term(i: Any, found: list[Any]) -> list[Any]:
                place = builder.add(a, builder.mul(i, I64(lanes * size)))
                return [_larger(Vector(builder, load(builder, place, kind)).size(), found[0])]

            zero = llvm.Constant(kind, None)
            each = repeat(builder, builder.sdiv(n, I64(lanes)), [zero], term)[0]
            half = lanes
            while half > 1:
                half //= 2
                mask = llvm.Constant(
                    llvm.VectorType(I32, lanes), [*range(half, 2 * half), *[0] * (lanes - half)]
                )
                other = builder.shuffle_vector(each, llvm.Constant(kind, llvm.Undefined), mask)
                each = _larger(Vector(builder, other), each)
            return builder.extract_element(each, I32(0))

        return result(types.int64, types.int64), emit

    return largest


def _larger(x: Vector, y: Any) -> Any:
    return x.compare(">", Vector(x.builder, y)).choose(x, Vector(x.builder, y)).value


_largest_f32, _largest_f64 = _largest(FLOAT, types.float32), _largest(DOUBLE, types.float64)


@intrinsic
def _bits(context: Any, number: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], I64)

    return types.int64(types.float64), emit


@intrinsic
def _number(context: Any, bits: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], DOUBLE)

    return types.float64(types.int64), emit


def _on_grid(view: Any, largest: Any, rounded: Any, size: int, lanes: int) -> Any:
    @nb.njit(**STRICT)
    def on_grid(out, steps, a, a_row, rows, n):
        """Rows (R, K) to whole numbers up to 2^22, float64, and the step (R,) of each; all are addresses."""
        s = ir.f64(steps, rows)
        for r in range(rows):
            place = a + r * a_row * size
            x = view(place, n)
            top = largest(place, n)
            for i in range(n // lanes * lanes, n):
                top = max(top, abs(x[i]))
            exponent = max((_bits(nb.float64(top)) >> PLACES) - BIAS + 1, LEAST)
            s[r] = _number((BITS - exponent + BIAS) << PLACES)
            rounded(0, out + r * n * 8, n, place, 1, steps + r * 8, 0)
            s[r] = _number((exponent - BITS + BIAS) << PLACES)

    return on_grid


on_grid_f32 = _on_grid(ir.f32, _largest_f32, _round_f32, 4, LANES[FLOAT])
on_grid_f64 = _on_grid(ir.f64, _largest_f64, _round_f64, 8, LANES[DOUBLE])


@nb.njit(**STRICT)
def total(out, a, rows, n):
    """The sum of each row of float64 numbers, by halves, in the place of the row."""
    sums = ir.f64(out, rows)
    for r in range(rows):
        place, left = a + r * n * 8, n
        while left > 1:
            half = 1
            while 2 * half < left:
                half *= 2
            _add(0, place, left - half, place, 1, place + half * 8, 1)
            left = half
        sums[r] = ir.f64(place, n)[0]
