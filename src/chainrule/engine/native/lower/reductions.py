"""Operations on whole rows: softmax, sums, norms, search."""

from __future__ import annotations

import math
from typing import Any

import torch

from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.instructions import LayerNorm, Reduce, Search, Softmax
from chainrule.engine.native.lower.elementwise import binary, choose, compare, unary
from chainrule.engine.native.lower.registry import lowers
from chainrule.engine.native.opcodes import Kind
from chainrule.engine.native.trace import Call, Unsupported


@lowers("_softmax", "_log_softmax", "_safe_softmax")
def _softmax(builder: Builder, call: Call) -> None:
    a, dim = call.args[0], call.args[1] % len(call.args[0].shape)
    if dim != len(a.shape) - 1 or not call.out.contiguous:
        raise Unsupported("its step takes a softmax of other than the last dimension")
    a = builder.dense(builder.operand(a, call.out.dtype))
    n = a.shape[-1]
    log = call.name == "_log_softmax"
    builder.emit(Softmax(builder.kind(call.out), call.out, a, a.size // n, n, log))


@lowers("sum", "cumsum", "amax", "argmax", "mean")
def _reduce(builder: Builder, call: Call) -> None:
    a = call.args[0]
    rank = len(a.shape)
    given = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
    dims = list(range(rank)) if given is None else [given] if isinstance(given, int) else list(given)
    dims = [d % rank for d in dims] if rank else []
    if call.name in ("cumsum", "argmax") and dims != [rank - 1]:
        raise Unsupported(f"its step takes {call.name} of other than the last dimension")
    dtype = a.dtype if call.name == "argmax" else call.out.dtype
    a = builder.operand(a, torch.int64 if dtype == torch.bool else dtype)
    rest = [d for d in range(rank) if d not in dims]
    a = builder.dense(a.permuted((*rest, *dims)))
    n = math.prod(a.shape[len(rest) :])
    if n == 0 and call.name == "sum":
        builder.fill(call.out, 0)
        return
    if builder.kind(a) == Kind.INT64 and call.name != "sum":
        raise Unsupported(f"its step takes {call.name} of integers")
    result = call.out if call.out.contiguous else builder.scratch(call.out.shape, call.out.dtype)
    function = "sum" if call.name == "mean" else call.name
    builder.emit(Reduce(builder.kind(a), function, result, a, a.size // n, n))
    if call.name == "mean":
        binary(builder, "div", result, result, float(n))
    if result is not call.out:
        builder.copy(call.out, result)


@lowers("logsumexp")
def _logsumexp(builder: Builder, call: Call) -> None:
    a, dims = call.args[0], [d % len(call.args[0].shape) for d in call.args[1]]
    rest = [d for d in range(len(a.shape)) if d not in dims]
    a = builder.dense(a.permuted((*rest, *dims)))
    n = math.prod(a.shape[len(rest) :])
    a = a.reshaped((a.size // n, n))
    top, total = (builder.scratch((a.shape[0], 1), a.dtype) for _ in range(2))
    kind = builder.kind(a)
    builder.emit(Reduce(kind, "amax", top, a, *a.shape))
    infinite = builder.scratch(top.shape, torch.bool)
    compare(builder, "eq", infinite, top, -math.inf)
    choose(builder, top, infinite, 0.0, top)
    shifted = builder.scratch(a.shape, a.dtype)
    binary(builder, "sub", shifted, a, top)
    unary(builder, "exp", shifted, shifted)
    builder.emit(Reduce(kind, "sum", total, shifted, *a.shape))
    unary(builder, "log", total, total)
    binary(builder, "add", total, total, top)
    builder.copy(call.out, total.reshaped(call.out.shape))


@lowers("native_layer_norm")
def _layer_norm(builder: Builder, call: Call) -> None:
    x, shape, weight, bias, eps = call.args
    out = call.out[0]
    if len(shape) != 1 or not out.contiguous:
        raise Unsupported("its step normalises several dimensions")
    x, n = builder.dense(x), shape[0]
    weight, bias = (
        builder.constant(torch.full((n,), absent, dtype=x.dtype)) if part is None else builder.dense(part)
        for part, absent in ((weight, 1.0), (bias, 0.0))
    )
    eps = builder.number(eps, torch.float64)
    builder.emit(LayerNorm(builder.kind(x), out, x, weight, bias, x.size // n, n, eps))


@lowers("searchsorted")
def _search(builder: Builder, call: Call) -> None:
    options: dict[str, Any] = dict(call.kwargs)
    right = options.get("right", False) or options.get("side") == "right"
    a, values = (builder.dense(view) for view in call.args[:2])
    if a.dtype != values.dtype or builder.kind(a) == Kind.INT64 or a.shape[:-1] != values.shape[:-1]:
        raise Unsupported("its step searches in numbers of other kinds")
    width, number = a.shape[-1], values.shape[-1]
    rows = values.size // max(1, number)
    builder.emit(Search(builder.kind(a), call.out, a, values, rows, width, number, right))
