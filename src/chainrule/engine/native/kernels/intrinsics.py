"""What numba cannot say: memory at an address, and the inner loops of a matrix product in registers."""

from __future__ import annotations

from typing import Any

import numba as nb
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from chainrule.engine.native.kernels.simd import (
    BYTES,
    DOUBLE,
    FLOAT,
    I32,
    I64,
    LANES,
    Vector,
    load,
    pointer,
    repeat,
    splat,
)
from chainrule.engine.native.kernels.simd import store as store_vector

FAR = 1 << 40  # a size for arrays whose end nobody asks for


@intrinsic
def _pointer(context: Any, address: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), emit


@nb.njit(inline="always")
def f32(address: int, size: int) -> Any:
    """The float32 array with this number of elements at an address."""
    return nb.carray(_pointer(address), (size,), nb.float32)


@nb.njit(inline="always")
def f64(address: int, size: int) -> Any:
    """The float64 array at an address."""
    return nb.carray(_pointer(address), (size,), nb.float64)


@nb.njit(inline="always")
def i64(address: int, size: int) -> Any:
    """The int64 array at an address."""
    return nb.carray(_pointer(address), (size,), nb.int64)


def _block(scalar: Any, rows: int, panels: int, weight_size: int) -> Any:
    """y[r, n] += Σ_k x[r, k] w[k, n] for a few rows and panels of columns, which stay in registers.

    Each sum runs over k in order, one fused multiply-add a term, whatever the number of rows and panels: a row's
    result does not depend on the batch it is in. Beside float32, weights of two bytes are bfloat16, of one int8; beside
    float64, those of four are float32.
    """
    lanes, size = LANES[scalar], BYTES[scalar]
    kind = ir.VectorType(scalar, lanes)

    @intrinsic
    def block(context: Any, y: Any, y_row: Any, x: Any, x_row: Any, w: Any, w_panel: Any, inner: Any) -> Any:
        """Addresses y, x, w; y_row, x_row and w_panel in elements from row to row and panel to panel; K."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            y, y_row, x, x_row, w, w_panel, inner = args
            columns = 2 * panels  # in vectors

            def at(address: Any, row: int, step: Any, index: Any) -> Any:
                elements = builder.add(builder.mul(I64(row), step), index)
                return builder.add(address, builder.mul(elements, I64(size)))

            def weight_at(panel: int, index: Any) -> Any:
                if weight_size == size:
                    return load(builder, at(w, panel, w_panel, index), kind)
                elements = builder.add(builder.mul(I64(panel), w_panel), index)
                place = builder.add(w, builder.mul(elements, I64(weight_size)))
                if scalar == DOUBLE:
                    return builder.fpext(load(builder, place, ir.VectorType(FLOAT, lanes)), kind)
                short, whole = ir.VectorType(ir.IntType(8 * weight_size), lanes), ir.VectorType(I32, lanes)
                bits = builder.load(pointer(builder, place, short), align=weight_size)
                if weight_size == 1:
                    return builder.sitofp(builder.sext(bits, whole), kind)
                upper = builder.shl(builder.zext(bits, whole), ir.Constant(whole, [16] * lanes))
                return builder.bitcast(upper, kind)

            places = [at(y, r, y_row, I64(c * lanes)) for r in range(rows) for c in range(columns)]

            def term(k: Any, sums: list[Any]) -> list[Any]:
                down = builder.mul(k, I64(2 * lanes))
                weights = [weight_at(c // 2, builder.add(down, I64(c % 2 * lanes))) for c in range(columns)]
                after = []
                for r in range(rows):
                    one = builder.load(pointer(builder, at(x, r, x_row, k), scalar), align=size)
                    value = Vector(builder, splat(builder, one, lanes))
                    for c, weight in enumerate(weights):
                        total = Vector(builder, sums[r * columns + c])
                        after.append(value.fma(Vector(builder, weight), total).value)
                return after

            sums = repeat(builder, inner, [load(builder, place, kind) for place in places], term)
            for place, total in zip(places, sums, strict=True):
                store_vector(builder, total, place)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 7), emit

    return block


def _dot(scalar: Any, result: Any) -> Any:
    lanes, size = LANES[scalar], BYTES[scalar]
    kind = ir.VectorType(scalar, lanes)

    @intrinsic
    def dot(context: Any, a: Any, b: Any, n: Any) -> Any:
        """Σ a[i] b[i] over whole pairs of vectors of two contiguous arrays at addresses; the rest is the caller's."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, b, n = args

            def term(i: Any, sums: list[Any]) -> list[Any]:
                after = []
                for half, total in enumerate(sums):
                    place = builder.add(builder.mul(i, I64(2 * lanes * size)), I64(half * lanes * size))
                    x, y = (
                        Vector(builder, load(builder, builder.add(array, place), kind)) for array in (a, b)
                    )
                    after.append(x.fma(y, Vector(builder, total)).value)
                return after

            zero = ir.Constant(kind, None)
            return _across(
                builder, builder.fadd(*repeat(builder, builder.sdiv(n, I64(2 * lanes)), [zero, zero], term))
            )

        return result(types.int64, types.int64, types.int64), emit

    return dot


def _sum(scalar: Any, result: Any) -> Any:
    lanes, size = LANES[scalar], BYTES[scalar]
    kind = ir.VectorType(scalar, lanes)

    @intrinsic
    def total(context: Any, a: Any, n: Any) -> Any:
        """Σ a[i] over whole pairs of vectors of a contiguous array at an address; the rest is the caller's."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, n = args

            def term(i: Any, sums: list[Any]) -> list[Any]:
                place = builder.add(a, builder.mul(i, I64(2 * lanes * size)))
                halves = [
                    load(builder, builder.add(place, I64(half * lanes * size)), kind) for half in (0, 1)
                ]
                return [builder.fadd(one, half) for one, half in zip(sums, halves, strict=True)]

            zero = ir.Constant(kind, None)
            return _across(
                builder, builder.fadd(*repeat(builder, builder.sdiv(n, I64(2 * lanes)), [zero, zero], term))
            )

        return result(types.int64, types.int64), emit

    return total


def _across(builder: Any, lanewise: Any) -> Any:
    """The sum of a vector's lanes, by halves."""
    lanes = lanewise.type.count
    while lanes > 1:
        lanes //= 2
        mask = [*range(lanes, 2 * lanes), *[0] * (lanewise.type.count - lanes)]
        other = ir.Constant(ir.VectorType(I32, lanewise.type.count), mask)
        nothing = ir.Constant(lanewise.type, ir.Undefined)
        lanewise = builder.fadd(lanewise, builder.shuffle_vector(lanewise, nothing, other))
    return builder.extract_element(lanewise, I32(0))


def _combine(scalar: Any) -> Any:
    lanes, size = LANES[scalar], BYTES[scalar]
    kind = ir.VectorType(scalar, lanes)

    @intrinsic
    def combine(context: Any, y: Any, weights: Any, rows: Any, row: Any, n: Any) -> Any:
        """y = Σ_k weights[k] rows[k], n rows that are `row` elements apart; the first vector of their columns."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            y, weights, rows, row, n = args

            def term(k: Any, sums: list[Any]) -> list[Any]:
                place = builder.add(weights, builder.mul(k, I64(size)))
                one = builder.load(pointer(builder, place, scalar), align=size)
                at = builder.add(rows, builder.mul(builder.mul(k, row), I64(size)))
                value = Vector(builder, load(builder, at, kind))
                return [
                    Vector(builder, splat(builder, one, lanes)).fma(value, Vector(builder, sums[0])).value
                ]

            store_vector(builder, repeat(builder, n, [ir.Constant(kind, None)], term)[0], y)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), emit

    return combine


# Of eight, four and one row, and of one row and two panels.
SHAPES = ((8, 1), (4, 1), (1, 1), (1, 2))
BLOCKS_F32, BLOCKS_BF16, BLOCKS_I8 = (
    tuple(_block(FLOAT, rows, panels, size) for rows, panels in SHAPES) for size in (4, 2, 1)
)
BLOCKS_F64, BLOCKS_F64_F32 = (
    tuple(_block(DOUBLE, rows, panels, size) for rows, panels in SHAPES) for size in (8, 4)
)
dot_f32, dot_f64 = _dot(FLOAT, types.float32), _dot(DOUBLE, types.float64)
sum_f32, sum_f64 = _sum(FLOAT, types.float32), _sum(DOUBLE, types.float64)
combine_f32, combine_f64 = _combine(FLOAT), _combine(DOUBLE)
