"""Matrix products, and what is made of them: convolutions and attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.instructions import PANELS, Attention, Matmul, MatmulPacked
from chainrule.engine.native.lower.elementwise import binary
from chainrule.engine.native.lower.registry import lowers
from chainrule.engine.native.opcodes import KINDS, Kind
from chainrule.engine.native.trace import Call, Unsupported
from chainrule.engine.native.views import View

FEW = 4  # columns of a weight that are not worth a panel


def packed(weight: Tensor, rounded: torch.dtype | None = None) -> Tensor:
    """(K, N) → (⌈N / PANEL⌉, K, PANEL), zero after column N; of a shorter type, several to an int64, if `rounded`."""
    panel = PANELS[KINDS[weight.dtype]]
    padded = torch.nn.functional.pad(weight, (0, -weight.shape[1] % panel))
    panels = padded.unflatten(1, (-1, panel)).transpose(0, 1).contiguous()
    return panels if rounded is None else panels.to(rounded).view(torch.int64)


def step_of_int8(weight: Tensor) -> Tensor:
    """The distance between two whole numbers, of each column of a weight (K, N): the largest is ±127; (N,)."""
    return (weight.abs().amax(0) / 127).clamp(min=torch.finfo(weight.dtype).tiny)


def product(builder: Builder, out: View, x: View, weight: View) -> None:
    """out (R, N), contiguous, += x (R, K) weight (K, N)."""
    rows, inner = x.shape
    outer = weight.shape[1]
    kind = builder.kind(out)
    if kind == Kind.INT64:
        raise Unsupported("its step multiplies matrices of integers")
    if x.strides[1] != 1 and inner > 1:
        x = builder.dense(x)
    tensor = builder.tensor_of(weight)
    if tensor is not None and outer > FEW:
        rounding = builder.weights.rounding if kind == Kind.FLOAT32 else None
        if rounding == "int8":
            _int8_product(builder, out, x, tensor)
        else:
            _packed_product(builder, out, x, tensor, torch.bfloat16 if rounding else None)
        return
    if inner == 1:
        outer_product = builder.scratch(out.shape, out.dtype)
        binary(builder, "mul", outer_product, x, weight)
        binary(builder, "add", out, out, outer_product)
        return
    if tensor is not None:
        weight = builder.constant(tensor.t().contiguous()).permuted((1, 0))
    elif weight.strides[0] != 1 and inner > 1:
        weight = builder.dense(weight.permuted((1, 0))).permuted((1, 0))
    strides = x.strides[0], weight.strides[1]
    builder.emit(Matmul(kind, out, x, strides[0], weight, strides[1], rows, inner, outer))


def _packed_product(
    builder: Builder, out: View, x: View, weight: Tensor, rounded: torch.dtype | None
) -> None:
    kind, (rows, inner), outer = builder.kind(out), x.shape, weight.shape[1]
    laid = builder.weights.get(("panels", rounded), weight, lambda: packed(weight, rounded))
    spare = builder.scratch((rows, PANELS[kind]), out.dtype)
    size = kind.bytes if rounded is None else rounded.itemsize
    w, row = builder.constant(laid), x.strides[0]
    builder.emit(MatmulPacked(kind, size, out, x, row, w, rows, inner, outer, spare))


def _int8_product(builder: Builder, out: View, x: View, weight: Tensor) -> None:
    """out += (x q) s: whole numbers q in [-127, 127], and a step s for each column."""
    step = step_of_int8(weight)
    whole = builder.scratch(out.shape, out.dtype)
    builder.fill(whole, 0)
    _packed_product(builder, whole, x, (weight / step).round(), torch.int8)
    binary(builder, "mul", whole, whole, builder.constant(step))
    binary(builder, "add", out, out, whole)


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
        product(builder, *(view.select(0, b) for view in (call.out, x, weight)))


@lowers("convolution")
def _convolution(builder: Builder, call: Call) -> None:
    convolve(builder, call, _biased)


def _biased(builder: Builder, out: View, x: View, weight: View, bias: View | None) -> None:
    if bias is None:
        builder.fill(out, 0)
    else:
        builder.copy(out, bias)
    product(builder, out, x, weight)


def convolve(builder: Builder, call: Call, multiply: Callable[..., None]) -> None:
    """A convolution as the product of its windows (R, K), channel after channel, and its kernel (K, N).

    Args:
        builder: writes the program.
        call: of a convolution.
        multiply: (builder, out, windows, kernel, bias or None).
    """
    x, weight, bias, stride, padding, dilation, transposed, wider, groups = call.args
    kernel = builder.tensor_of(weight)
    if groups != 1 or kernel is None:
        raise Unsupported("its step uses a grouped convolution, or one of changing weights")
    dims = len(x.shape) - 2
    if transposed:
        # The convolution, by the flipped kernel, of x with zeros between its elements and around them.
        kernel = kernel.transpose(0, 1).flip(list(range(2, 2 + dims)))
        x = _spread(builder, x, stride, padding, dilation, wider, kernel.shape[2:])
        stride = [1] * dims
    elif any(padding):
        x = _spread(builder, x, [1] * dims, [-p for p in padding], [1] * dims, [0] * dims, [1] * dims)
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
    rows, inner, outer = x.shape[0] * prod(outs), kernel[0].numel(), kernel.shape[0]
    result = call.out.permuted((0, *range(2, 2 + dims), 1))
    y = result if result.contiguous else builder.scratch(result.shape, result.dtype)
    flat = builder.constant(kernel.flatten(1).t())
    multiply(builder, y.reshaped((rows, outer)), columns.reshaped((rows, inner)), flat, bias)
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
    """Elements `stride` apart, with zeros between and around them: dilation · (taps - 1) - padding on each side."""
    around = [d * (t - 1) - p for d, t, p in zip(dilation, taps, padding, strict=True)]
    if min(around) < 0:
        raise Unsupported("its step cuts the border off a transposed convolution")
    within = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], stride, strict=True)]
    sizes = [n + 2 * a + w for n, a, w in zip(within, around, wider, strict=True)]
    spread = builder.scratch((*x.shape[:2], *sizes), x.dtype)
    builder.fill(spread, 0)
    inside = spread
    for d, (start, n) in enumerate(zip(around, within, strict=True)):
        inside = inside.narrow(2 + d, start, n)
    steps = (*inside.strides[:2], *(s * step for s, step in zip(inside.strides[2:], stride, strict=True)))
    builder.copy(replace(inside, shape=x.shape, strides=steps), x)
    return spread


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
    mask = mask.expanded((batch, heads, queries, keys))
    result = out if out.strides[3] == 1 else builder.scratch(out.shape, out.dtype)
    scale = options.get("scale")
    scale = builder.number(width**-0.5 if scale is None else scale, torch.float64)
    spare = builder.scratch((keys,), q.dtype)
    steps = [*(view.strides[:3] for view in (result, q, k, v)), mask.strides]
    sizes = batch, heads, queries, keys, width
    builder.emit(Attention(builder.kind(q), result, q, k, v, mask, spare, scale, sizes, *steps))
    if result is not out:
        builder.copy(out, result)
