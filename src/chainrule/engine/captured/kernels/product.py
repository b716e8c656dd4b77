"""Few rows times a matrix, as in a step: every weight is read once, and sums are of float32."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS = 16  # the most
INPUTS, TILE = (
    256,
    8192,
)  # products that a program has in registers: of one output, and of all its rows and outputs
PROGRAMS = 128  # at least, where there are as many outputs: a large device is then busy


@triton.jit
def _kernel(
    x, weight, bias, index, y, rows, outputs, inputs, x_row, x_column, w_row, w_column, b_row, b_column,
    BIASED: tl.constexpr, INDEXED: tl.constexpr, ROWS: tl.constexpr, OUTPUTS: tl.constexpr, INPUTS: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    row = tl.arange(0, ROWS)
    there, given = place < outputs, row < rows
    source = place.to(tl.int64)
    if INDEXED:
        source = tl.load(index + place, mask=there, other=0)
    products = tl.zeros((ROWS, OUTPUTS, INPUTS), dtype=tl.float32)
    for start in range(0, inputs, INPUTS):
        column = start + tl.arange(0, INPUTS)
        inside = column < inputs
        w = tl.load(
            weight + source[:, None] * w_row + column[None, :] * w_column,
            mask=there[:, None] & inside[None, :],
            other=0.0,
        )
        v = tl.load(
            x + row[:, None] * x_row + column[None, :] * x_column,
            mask=given[:, None] & inside[None, :],
            other=0.0,
        )
        products += v.to(tl.float32)[:, None, :] * w.to(tl.float32)[None, :, :]
    total = tl.sum(products, axis=2)
    both = given[:, None] & there[None, :]
    if BIASED:
        shift = tl.load(bias + row[:, None] * b_row + source[None, :] * b_column, mask=both, other=0.0)
        total += shift.to(tl.float32)
    tl.store(y + row[:, None] * outputs + place[None, :], total.to(y.dtype.element_ty), mask=both)


@torch.library.custom_op(
    "chainrule::product",
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor? bias, Tensor? index) -> Tensor",
)
def product(x: Tensor, weight: Tensor, bias: Tensor | None, index: Tensor | None) -> Tensor:
    """W x + b of at most `ROWS` rows; of the outputs `index` alone, if there is one.

    Args:
        x: (B, n) float32 or bfloat16.
        weight: (m, n) of the same type.
        bias: (m,) or (B, m) of the same type.
        index: (k,) int64.

    Returns:
        (B, m) or (B, k).
    """
    rows, inputs = x.shape
    outputs = len(weight if index is None else index)
    y = x.new_empty(rows, outputs)
    deep, wide = triton.next_power_of_2(rows), min(triton.next_power_of_2(inputs), INPUTS)
    share = triton.next_power_of_2(triton.cdiv(outputs, PROGRAMS))
    each = min(share, max(TILE // (deep * wide), 1))
    shift = None if bias is None else bias.expand(rows, bias.shape[-1])
    _kernel[triton.cdiv(outputs, each),](
        x, weight, x if shift is None else shift, x if index is None else index, y, rows, outputs, inputs,
        *x.stride(), *weight.stride(), *((0, 0) if shift is None else shift.stride()),
        BIASED=bias is not None, INDEXED=index is not None, ROWS=deep, OUTPUTS=each, INPUTS=wide,
    )  # fmt: skip
    return y


@product.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None, index: Tensor | None) -> Tensor:
    return x.new_empty(len(x), len(weight if index is None else index))
