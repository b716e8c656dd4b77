"""Calls of functions that are compiled by themselves."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from chainrule.engine.native.kernels.simd import I64


@intrinsic
def call(context: Any, function: Any, out: Any, n: Any, a: Any, a_step: Any, b: Any, b_step: Any) -> Any:
    """Call the loop at an address."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * 6)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), emit
