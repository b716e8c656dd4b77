"""The loops that apply the elementary functions to arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import intrinsic

from chainrule.engine.native.kernels.formulas import BINARY, BINARY_INT, COMPARE, UNARY, UNARY_F64
from chainrule.engine.native.kernels.simd import DOUBLE, FLOAT, I64, Vector, elementwise


def loops(functions: list[Callable[..., Vector]], out: Any, kinds: list[Any]) -> Any:
    """The intrinsic (number, out, n, a, its step, b, its step, …) that applies one of these functions."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, address, n, *rest = args
        operands = list(zip(rest[::2], rest[1::2], kinds, strict=True))
        after = builder.append_basic_block("done")
        switch = builder.switch(number, after)
        for i, function in enumerate(functions):
            block = builder.append_basic_block("function")
            switch.add_case(I64(i), block)
            builder.position_at_end(block)
            elementwise(builder, function, (address, out), operands, n)
            builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    if len(kinds) == 1:

        @intrinsic
        def one(context: Any, number: Any, out: Any, n: Any, a: Any, a_step: Any) -> Any:
            return types.void(*[types.int64] * 5), emit

        return one
    if len(kinds) == 2:

        @intrinsic
        def two(context: Any, number: Any, out: Any, n: Any, a: Any, a_step: Any, b: Any, b_step: Any) -> Any:
            return types.void(*[types.int64] * 7), emit

        return two

    @intrinsic
    def three(
        context: Any,
        number: Any,
        out: Any,
        n: Any,
        a: Any,
        a_step: Any,
        b: Any,
        b_step: Any,
        c: Any,
        c_step: Any,
    ) -> Any:
        return types.void(*[types.int64] * 9), emit

    return three


def _where(mask: Vector, x: Vector, y: Vector) -> Vector:
    return mask.compare("!=", 0).choose(x, y)


unary_f32 = loops(list(UNARY.values()), FLOAT, [FLOAT])
unary_f64 = loops(list(UNARY_F64.values()), DOUBLE, [DOUBLE])
binary_f32, binary_f64 = (loops(list(BINARY.values()), kind, [kind, kind]) for kind in (FLOAT, DOUBLE))
binary_i64 = loops(list(BINARY_INT.values()), I64, [I64, I64])
compare_f32, compare_f64, compare_i64 = (
    loops(list(COMPARE.values()), I64, [kind, kind]) for kind in (FLOAT, DOUBLE, I64)
)
where_f32, where_i64 = (loops([_where], kind, [I64, kind, kind]) for kind in (FLOAT, I64))
# From float32 to the others, from float64, from int64.
cast_f32_f64, cast_f32_i64 = (loops([lambda x, to=to: x.to(to)], to, [FLOAT]) for to in (DOUBLE, I64))
cast_f64_f32, cast_f64_i64 = (loops([lambda x, to=to: x.to(to)], to, [DOUBLE]) for to in (FLOAT, I64))
cast_i64_f32, cast_i64_f64 = (loops([lambda x, to=to: x.to(to)], to, [I64]) for to in (FLOAT, DOUBLE))
