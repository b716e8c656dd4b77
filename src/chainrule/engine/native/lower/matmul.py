"""Products, convolutions, attention, and what is done to whole rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from chainrule.engine.native.assembler import Builder, contiguous, expanded, reshaped
from chainrule.engine.native.kernels.intrinsics import PANEL
from chainrule.engine.native.kernels.simd import DOUBLE, FLOAT
from chainrule.engine.native.lower.elementwise import binary, choose, compare, unary
from chainrule.engine.native.lower.movement import narrow, permuted
from chainrule.engine.native.lower.registry import lowers
from chainrule.engine.native.opcodes import REDUCTIONS, Opcode
from chainrule.engine.native.trace import Call, Unsupported, View

PANELS = {torch.float32: PANEL[FLOAT], torch.float64: PANEL[DOUBLE]}
FEW = 4  # columns of a weight that are not worth a panel


def packed(weight: Tensor, half: bool = False) -> Tensor:
    """(K, N) → (⌈N / PANEL⌉, K, PANEL), zero after column N; of bfloat16, four to an int64, if `half`."""
    panel = PANELS[weight.dtype]
    padded = torch.nn.functional.pad(weight, (0, -weight.shape[1] % panel))
    panels = padded.unflatten(1, (-1, panel)).transpose(0, 1).contiguous()
    return panels.bfloat16().view(torch.int64) if half else panels


def product(builder: Builder, out: View, x: View, weight: View) -> None:
    """out (R, N), contiguous, += x (R, K) weight (K, N)."""
    rows, inner = x.shape
    outer = weight.shape[1]
    kind = builder.kind(out)
    if kind == 2:
        raise Unsupported("its step multiplies matrices of integers")
    if x.strides[1] != 1 and inner > 1:
        x = builder.dense(x)
    tensor = builder.tensor_of(weight)
    if tensor is not None and outer > FEW:
        half = builder.weights.half and kind == 0
        laid = builder.weights.get(("panels", half), tensor, lambda: packed(tensor, half))
        spare = builder.scratch((rows, PANELS[out.dtype]), out.dtype)
        w = builder.constant(laid)
        builder.emit(Opcode.PRODUCT, 2 if half else kind, out, x, x.strides[0], w, rows, inner, outer, spare)
        return
    if inner == 1:
        outer_product = builder.scratch(out.shape, out.dtype)
        binary(builder, "mul", outer_product, x, weight)
        binary(builder, "add", out, out, outer_product)
        return
    if tensor is not None:
        weight = permuted(builder.constant(tensor.t().contiguous()), (1, 0))
    elif weight.strides[0] != 1 and inner > 1:
        weight = permuted(builder.dense(permuted(weight, (1, 0))), (1, 0))
    builder.emit(Opcode.DOTS, kind, out, x, x.strides[0], weight, weight.strides[1], rows, inner, outer)


@lowers("mm")
def _mm(builder: Builder, call: Call) -> None:
    builder.fill(call.out, 0)
    product(builder, call.out, *call.args)


@lowers("addmm")
def _addmm(builder: Builder, call: Call) -> None:
    if call.kwargs:
        raise Unsupported("its step scales a product")
    bias, x, weight = call.args
    builder.copy(call.out, bias)
    product(builder, call.out, x, weight)


@lowers("bmm", "baddbmm")
def _bmm(builder: Builder, call: Call) -> None:
    if call.kwargs:
        raise Unsupported("its step scales a product")
    *bias, x, weight = call.args
    if bias:
        builder.copy(call.out, bias[0])
    else:
        builder.fill(call.out, 0)
    for b in range(x.shape[0]):
        part = [
            replace(narrow(v, 0, b, 1), shape=v.shape[1:], strides=v.strides[1:])
            for v in (call.out, x, weight)
        ]
        product(builder, *part)


@lowers("convolution")
def _convolution(builder: Builder, call: Call) -> None:
    x, weight, bias, stride, padding, dilation, transposed, wider, groups = call.args
    kernel = builder.tensor_of(weight)
    if groups != 1 or kernel is None:
        raise Unsupported("its step uses a grouped convolution, or one of changing weights")
    places = len(x.shape) - 2
    if transposed:
        # The convolution, by the flipped kernel, of x with zeros between its places and around them.
        kernel = kernel.transpose(0, 1).flip(list(range(2, 2 + places)))
        x = _spread(builder, x, stride, padding, dilation, wider, kernel.shape[2:])
        stride = [1] * places
    elif any(padding):
        x = _spread(builder, x, [1] * places, [-p for p in padding], [1] * places, [0] * places, [1] * places)
    outs, taps = call.out.shape[2:], kernel.shape[2:]
    windows = replace(
        x,
        shape=(x.shape[0], *outs, x.shape[1], *taps),
        strides=(
            x.strides[0],
            *(s * step for s, step in zip(x.strides[2:], stride, strict=True)),
            x.strides[1],
            *(s * gap for s, gap in zip(x.strides[2:], dilation, strict=True)),
        ),
    )
    columns = builder.dense(windows)
    rows, inner, outer = x.shape[0] * _size(outs), kernel[0].numel(), kernel.shape[0]
    result = permuted(call.out, (0, *range(2, 2 + places), 1))
    y = result if contiguous(result) else builder.scratch(result.shape, result.dtype)
    if bias is None:
        builder.fill(y, 0)
    else:
        builder.copy(y, bias)
    flat = builder.constant(kernel.flatten(1).t())
    product(builder, reshaped(y, (rows, outer)), reshaped(columns, (rows, inner)), flat)
    if y is not result:
        builder.copy(result, y)


def _spread(
    builder: Builder,
    x: View,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    wider: Sequence[int],
    taps: Sequence[int],
) -> View:
    """Places `stride` apart, with zeros between and around them: dilation · (taps - 1) - padding on each side."""
    around = [d * (t - 1) - p for d, t, p in zip(dilation, taps, padding, strict=True)]
    if min(around) < 0:
        raise Unsupported("its step cuts the border off a transposed convolution")
    within = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], stride, strict=True)]
    sizes = [n + 2 * a + w for n, a, w in zip(within, around, wider, strict=True)]
    spread = builder.scratch((*x.shape[:2], *sizes), x.dtype)
    builder.fill(spread, 0)
    inside = spread
    for d, (start, n) in enumerate(zip(around, within, strict=True)):
        inside = narrow(inside, 2 + d, start, n)
    steps = (*inside.strides[:2], *(s * step for s, step in zip(inside.strides[2:], stride, strict=True)))
    builder.copy(replace(inside, shape=x.shape, strides=steps), x)
    return spread


def _size(shape: Sequence[int]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


@lowers("_softmax", "_log_softmax", "_safe_softmax")
def _softmax(builder: Builder, call: Call) -> None:
    a, dim = call.args[0], call.args[1] % len(call.args[0].shape)
    if dim != len(a.shape) - 1 or not contiguous(call.out):
        raise Unsupported("its step takes a softmax over a dimension other than the last")
    a = builder.dense(builder.operand(a, call.out.dtype))
    n = a.shape[-1]
    log = call.name == "_log_softmax"
    builder.emit(Opcode.SOFTMAX, builder.kind(call.out), call.out, a, a.size // n, n, log)


@lowers("sum", "cumsum", "amax", "argmax", "mean")
def _reduce(builder: Builder, call: Call) -> None:
    a = call.args[0]
    rank = len(a.shape)
    given = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
    dims = list(range(rank)) if given is None else [given] if isinstance(given, int) else list(given)
    dims = [d % rank for d in dims] if rank else []
    if call.name in ("cumsum", "argmax") and dims != [rank - 1]:
        raise Unsupported(f"its step takes {call.name} over a dimension other than the last")
    dtype = a.dtype if call.name == "argmax" else call.out.dtype
    a = builder.operand(a, torch.int64 if dtype == torch.bool else dtype)
    rest = [d for d in range(rank) if d not in dims]
    a = builder.dense(permuted(a, (*rest, *dims)))
    n = _size([a.shape[i] for i in range(len(rest), rank)])
    if n == 0 and call.name == "sum":
        builder.fill(call.out, 0)
        return
    if builder.kind(a) == 2 and call.name != "sum":
        raise Unsupported(f"its step takes {call.name} of integers")
    result = call.out if contiguous(call.out) else builder.scratch(call.out.shape, call.out.dtype)
    which = REDUCTIONS.index("sum" if call.name == "mean" else call.name)
    builder.emit(Opcode.REDUCE, builder.kind(a), which, result, a, a.size // n, n)
    if call.name == "mean":
        binary(builder, "div", result, result, float(n))
    if result is not call.out:
        builder.copy(call.out, result)


@lowers("logsumexp")
def _logsumexp(builder: Builder, call: Call) -> None:
    a, dims = call.args[0], [d % len(call.args[0].shape) for d in call.args[1]]
    rest = [d for d in range(len(a.shape)) if d not in dims]
    a = builder.dense(permuted(a, (*rest, *dims)))
    n = _size(a.shape[len(rest) :])
    a = reshaped(a, (a.size // n, n))
    top, total = (builder.scratch((a.shape[0], 1), a.dtype) for _ in range(2))
    kind = builder.kind(a)
    builder.emit(Opcode.REDUCE, kind, REDUCTIONS.index("amax"), top, a, *a.shape)
    infinite = builder.scratch(top.shape, torch.bool)
    compare(builder, "eq", infinite, top, -math.inf)
    choose(builder, top, infinite, 0.0, top)
    shifted = builder.scratch(a.shape, a.dtype)
    binary(builder, "sub", shifted, a, top)
    unary(builder, "exp", shifted, shifted)
    builder.emit(Opcode.REDUCE, kind, REDUCTIONS.index("sum"), total, shifted, *a.shape)
    unary(builder, "log", total, total)
    binary(builder, "add", total, total, top)
    builder.copy(call.out, reshaped(total, call.out.shape))


@lowers("native_layer_norm")
def _layer_norm(builder: Builder, call: Call) -> None:
    x, shape, weight, bias, eps = call.args
    out = call.out[0]
    if len(shape) != 1 or weight is None or bias is None or not contiguous(out):
        raise Unsupported("its step normalises several dimensions, or without weights")
    x, n = builder.dense(x), shape[0]
    weight, bias = builder.dense(weight), builder.dense(bias)
    eps = builder.number(eps, torch.float64)
    builder.emit(Opcode.NORM, builder.kind(x), out, x, weight, bias, x.size // n, n, eps)


@lowers("_scaled_dot_product_flash_attention_for_cpu")
def _attention(builder: Builder, call: Call) -> None:
    q, k, v = call.args[:3]
    options = dict(zip(("dropout_p", "is_causal"), call.args[3:], strict=False)) | call.kwargs
    out, mask = call.out[0], options.get("attn_mask")
    batch, heads, queries, width = q.shape
    keys = k.shape[2]
    if options.get("is_causal") or options.get("dropout_p", 0.0):
        raise Unsupported("its step attends with an unsupported mask")
    q, k, v = (view if view.strides[3] == 1 else builder.dense(view) for view in (q, k, v))
    if mask is None:
        mask = builder.number(0.0, q.dtype)
    mask = expanded(mask, (batch, heads, queries, keys))
    result = out if out.strides[3] == 1 else builder.scratch(out.shape, out.dtype)
    scale = options.get("scale")
    scale = builder.number(width**-0.5 if scale is None else scale, torch.float64)
    spare = builder.scratch((keys,), q.dtype)
    steps = [s for view in (result, q, k, v) for s in view.strides[:3]] + list(mask.strides)
    shape = (batch, heads, queries, keys, width)
    builder.emit(Opcode.ATTEND, builder.kind(q), result, q, k, v, mask, spare, scale, *shape, *steps)
    if result is not out:
        builder.copy(out, result)
