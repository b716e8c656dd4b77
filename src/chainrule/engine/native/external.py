"""Elementwise functions of other packages: compiled by themselves, and called by their addresses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

from chainrule.engine.native.trace import Unsupported

FUNCTIONS: dict[str, Callable[..., float]] = {}


def arity(name: str) -> int:
    """The number of operands of a function, 1 or 2."""
    return len(signature(FUNCTIONS[name]).parameters)


def address(name: str, double: bool) -> int:
    """Where the loop over one row of a function's operands begins, of float64 if `double`, else of float32.

    Raises:
        Unsupported: if numba cannot compile the function.
    """
    from numba.core.errors import NumbaError

    try:
        return int(_compiled(name, double).address)
    except NumbaError as error:
        raise Unsupported(f"numba cannot compile {name}: {str(error).splitlines()[0]}") from error


@cache
def _compiled(name: str, double: bool) -> Any:
    import numba as nb
    from numba.core import types

    from chainrule.engine.native.kernels.intrinsics import FAR, f32, f64

    function, array = nb.njit(error_model="numpy")(FUNCTIONS[name]), f64 if double else f32
    args = types.void(*[types.int64] * 6)

    def unary(out: int, n: int, a: int, a_step: int, b: int, b_step: int) -> None:
        y, x = array(out, n), array(a, FAR)
        for i in range(n):
            y[i] = function(float(x[i * a_step]))

    def binary(out: int, n: int, a: int, a_step: int, b: int, b_step: int) -> None:
        y, x, z = array(out, n), array(a, FAR), array(b, FAR)
        for i in range(n):
            y[i] = function(float(x[i * a_step]), float(z[i * b_step]))

    return nb.cfunc(args, error_model="numpy")(unary if arity(name) == 1 else binary)
