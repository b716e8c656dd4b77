"""Elementwise operations of other packages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature

from chainrule.engine.native import external
from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.instructions import External
from chainrule.engine.native.lower.registry import lowers
from chainrule.engine.native.opcodes import Kind
from chainrule.engine.native.trace import Call, Unsupported
from chainrule.errors import ChainruleError


def register_elementwise(name: str, function: Callable[..., float]) -> None:
    """Teach the native runner an elementwise operation, at any time before a model that uses it is run.

    Args:
        name: of torch's operation, as `torch.ops.aten` has it: "sin", "hypot". Its in-place form, "sin_", comes along.
        function: one or two floats to a float, in Python that numba compiles. It is compiled by itself at its first
            use, in some tenths of a second. It is computed in float64.

    Raises:
        ChainruleError: if the operation has a rule already, or the function takes another number of operands.
    """
    operands = len(signature(function).parameters)
    if operands not in (1, 2):
        raise ChainruleError(
            f"native operation {name}: expected a function of 1 or 2 numbers, got {operands}"
        )
    lowers(name, f"{name}_")(partial(_external, name))
    external.FUNCTIONS[name] = function


def _external(name: str, builder: Builder, call: Call) -> None:
    kind, operands = builder.kind(call.out), call.args
    if kind == Kind.INT64 or call.kwargs or len(operands) != external.arity(name):
        raise Unsupported(f"its step uses {name} of integers, or with options")
    external.address(name, kind == Kind.FLOAT64)
    views = [builder.operand(value, call.out.dtype) for value in operands]
    builder.loop(partial(External, kind, name), call.out, [views[0], views[-1]])
