"""Elementwise operations."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.instructions import (
    Binary,
    BinaryInt,
    Compare,
    DivideInt,
    Unary,
    UnaryScalar,
    Where,
)
from chainrule.engine.native.kernels.formulas import COMPARE, UNARY, UNARY_F64
from chainrule.engine.native.lower.registry import lowers
from chainrule.engine.native.opcodes import Kind
from chainrule.engine.native.trace import Call, Unsupported
from chainrule.engine.native.views import View


def unary(builder: Builder, name: str, out: View, a: View) -> None:
    """out = name(a)."""
    a = builder.operand(a, out.dtype)
    kind = builder.kind(out)
    if kind == Kind.INT64:
        if name != "neg":
            raise Unsupported(f"its step uses {name} of integers")
        binary(builder, "sub", out, builder.number(0, torch.int64), a)
    else:
        vectors = name in (UNARY if kind == Kind.FLOAT32 else UNARY_F64)
        builder.loop(partial(Unary if vectors else UnaryScalar, kind, name), out, [a])


def binary(builder: Builder, name: str, out: View, a: Any, b: Any) -> None:
    """out = name(a, b), views or numbers."""
    operands = [builder.operand(value, out.dtype) for value in (a, b)]
    kind = builder.kind(out)
    builder.loop(partial(BinaryInt if kind == Kind.INT64 else Binary, kind, name), out, operands)


def compare(builder: Builder, name: str, out: View, a: View, b: Any) -> None:
    """out = 1 where the comparison holds, else 0."""
    common = torch.promote_types(a.dtype, b.dtype) if isinstance(b, View) else a.dtype
    if isinstance(b, float) and common == torch.int64:
        common = torch.float64
    common = torch.int64 if common == torch.bool else common
    operands = [builder.operand(value, common) for value in (a, b)]
    builder.loop(partial(Compare, builder.kind(operands[0]), name), out, operands)


def choose(builder: Builder, out: View, mask: View, a: Any, b: Any) -> None:
    """out = a where the mask holds, else b."""
    operands = [builder.operand(value, out.dtype) for value in (a, b)]
    builder.loop(partial(Where, builder.kind(out)), out, [mask, *operands])


@lowers(*UNARY, *(f"{name}_" for name in UNARY), "log", "log1p", "expm1", "asinh")
def _unary(builder: Builder, call: Call) -> None:
    name = call.name.removesuffix("_")
    if name == "elu" and (
        len(call.args) > 1 and tuple(call.args[1:]) != (1.0, 1.0, 1.0)[: len(call.args) - 1]
    ):
        raise Unsupported("its step uses elu with a scale")
    if name == "gelu" and call.kwargs.get("approximate", "none") != "none":
        name = "gelu_by_tanh"
    unary(builder, name, call.out, call.args[0])


@lowers("log_sigmoid_forward")
def _log_sigmoid(builder: Builder, call: Call) -> None:
    unary(builder, call.name, call.out[0], call.args[0])


@lowers("softplus")
def _softplus(builder: Builder, call: Call) -> None:
    if len(call.args) > 1 or call.kwargs:
        raise Unsupported("its step uses softplus with a scale")
    unary(builder, "neg", call.out, call.args[0])
    unary(builder, "log_sigmoid_forward", call.out, call.out)
    unary(builder, "neg", call.out, call.out)


@lowers("special_ndtri")
def _ndtri(builder: Builder, call: Call) -> None:
    unary(builder, call.name, call.out, call.args[0])


@lowers("add", "sub", "add_", "sub_", "rsub")
def _sum(builder: Builder, call: Call) -> None:
    a, b = call.args[:2]
    scale = call.kwargs.get("alpha", call.args[2] if len(call.args) > 2 else 1)
    name = call.name.removesuffix("_")
    if name == "rsub":
        a, b, name = b, a, "sub"
    if scale != 1:
        scaled = builder.scratch(call.out.shape, call.out.dtype)
        target = a if call.name == "rsub" else b
        binary(builder, "mul", scaled, target, scale)
        a, b = (scaled, b) if call.name == "rsub" else (a, scaled)
    binary(builder, name, call.out, a, b)


@lowers(
    "mul",
    "mul_",
    "maximum",
    "minimum",
    "leaky_relu",
    "bitwise_and",
    "bitwise_or",
    "logical_and",
    "logical_or",
)
def _binary(builder: Builder, call: Call) -> None:
    name = call.name.removesuffix("_").replace("logical", "bitwise")
    second = call.args[1] if len(call.args) > 1 else 0.01
    binary(builder, name, call.out, call.args[0], second)


@lowers("div", "div_")
def _divide(builder: Builder, call: Call) -> None:
    mode = call.kwargs.get("rounding_mode")
    if mode is None:
        binary(builder, "div", call.out, *call.args[:2])
    elif mode == "floor" and builder.kind(call.out) == Kind.INT64:
        _integer_division(builder, call, False)
    else:
        raise Unsupported(f"its step uses division rounded by {mode}")


@lowers("floor_divide")
def _floor_divide(builder: Builder, call: Call) -> None:
    _integer_division(builder, call, False)


@lowers("remainder")
def _remainder(builder: Builder, call: Call) -> None:
    _integer_division(builder, call, True)


def _integer_division(builder: Builder, call: Call, remainder: bool) -> None:
    a, b = call.args
    if builder.kind(call.out) != Kind.INT64 or not isinstance(b, int) or b < 1 or not call.out.contiguous:
        raise Unsupported(f"its step uses {call.name} of other than integers by a positive one")
    a = builder.dense(a.expanded(call.out.shape))
    builder.emit(DivideInt(remainder, call.out, a, builder.number(b, torch.int64), call.out.size))


@lowers("addcmul")
def _addcmul(builder: Builder, call: Call) -> None:
    base, a, b = call.args
    product = builder.scratch(call.out.shape, call.out.dtype)
    binary(builder, "mul", product, a, b)
    if call.kwargs.get("value", 1) != 1:
        binary(builder, "mul", product, product, call.kwargs["value"])
    binary(builder, "add", call.out, base, product)


@lowers("pow")
def _power(builder: Builder, call: Call) -> None:
    base, exponent = call.args
    names = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
    if not isinstance(base, View) or exponent not in names:
        raise Unsupported(f"its step uses a power of {exponent}")
    unary(builder, names[exponent], call.out, base)


@lowers("clamp", "clamp_", "clamp_min", "clamp_max")
def _clamp(builder: Builder, call: Call) -> None:
    low = call.args[1] if len(call.args) > 1 else call.kwargs.get("min")
    high = call.args[2] if len(call.args) > 2 else call.kwargs.get("max")
    if call.name == "clamp_max":
        low, high = None, low
    value = call.args[0]
    for name, bound in (("maximum", low), ("minimum", high)):
        if bound is not None:
            binary(builder, name, call.out, value, bound)
            value = call.out


@lowers(*COMPARE)
def _compare(builder: Builder, call: Call) -> None:
    compare(builder, call.name, call.out, *call.args)


@lowers("isnan")
def _isnan(builder: Builder, call: Call) -> None:
    compare(builder, "ne", call.out, call.args[0], call.args[0])


@lowers("bitwise_not", "logical_not")
def _not(builder: Builder, call: Call) -> None:
    if call.args[0].dtype != torch.bool:
        raise Unsupported("its step negates the bits of integers")
    compare(builder, "eq", call.out, call.args[0], 0)


@lowers("where")
def _where(builder: Builder, call: Call) -> None:
    choose(builder, call.out, *call.args)


@lowers("masked_fill", "masked_fill_")
def _masked_fill(builder: Builder, call: Call) -> None:
    a, mask, value = call.args
    choose(builder, call.out, mask, value, a)


@lowers("nan_to_num")
def _nan_to_num(builder: Builder, call: Call) -> None:
    a = call.args[0]
    if builder.kind(a) == Kind.INT64:
        builder.convert(call.out, a)
        return
    value = call.args[1] if len(call.args) > 1 else call.kwargs.get("nan")
    there = builder.scratch(a.shape, torch.bool)
    compare(builder, "eq", there, a, a)
    finite = torch.finfo(a.dtype)
    bounded = builder.scratch(a.shape, a.dtype)
    binary(builder, "minimum", bounded, a, finite.max)
    binary(builder, "maximum", bounded, bounded, finite.min)
    choose(builder, call.out, there, bounded, 0.0 if value is None else value)


@lowers("logit")
def _logit(builder: Builder, call: Call) -> None:
    a = call.args[0]
    eps = call.args[1] if len(call.args) > 1 else call.kwargs.get("eps")
    if eps is not None and not math.isnan(eps):
        bounded = builder.scratch(a.shape, a.dtype)
        binary(builder, "maximum", bounded, a, eps)
        binary(builder, "minimum", bounded, bounded, 1 - eps)
        a = bounded
    rest = builder.scratch(a.shape, a.dtype)
    binary(builder, "sub", rest, builder.number(1.0, a.dtype), a)
    binary(builder, "div", rest, a, rest)
    unary(builder, "log", call.out, rest)
