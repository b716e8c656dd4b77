"""Attention of one query: the keys and values that it may see are read once, the others not at all."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 4096  # numbers of keys that a program has in registers


@triton.jit
def _kernel(
    q, k, v, mask, y, heads, times, size, scale, q_row, q_head, q_unit, k_row, k_head, k_time, k_unit,
    v_row, v_head, v_time, v_unit, m_row, m_head, m_time,
    MASKED: tl.constexpr, TIMES: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    row, head = (tl.program_id(0) // heads).to(tl.int64), (tl.program_id(0) % heads).to(tl.int64)
    unit = tl.arange(0, UNITS)
    real = unit < size
    query = (
        tl.load(q + row * q_row + head * q_head + unit * q_unit, mask=real, other=0.0).to(tl.float32) * scale
    )
    # Of the times so far: the largest score, the sum of the weights relative to it, and of the weighted values.
    top, weights = -float("inf"), 0.0
    total = tl.zeros((UNITS,), dtype=tl.float32)
    for start in range(0, times, TIMES):
        time = start + tl.arange(0, TIMES)
        shift = tl.where(time < times, 0.0, -float("inf"))
        if MASKED:
            at = mask + row * m_row + head * m_head + time * m_time
            shift = tl.load(at, mask=time < times, other=-float("inf")).to(tl.float32)
        read = (shift != -float("inf"))[:, None] & real[None, :]
        keys = tl.load(
            k + row * k_row + head * k_head + time[:, None] * k_time + unit[None, :] * k_unit,
            mask=read,
            other=0.0,
        )
        score = tl.sum(keys.to(tl.float32) * query[None, :], axis=1) + shift
        newest = tl.maximum(top, tl.max(score, axis=0))
        base = tl.where(newest == -float("inf"), 0.0, newest)
        weight, fade = tl.exp(score - base), tl.exp(top - base)
        values = tl.load(
            v + row * v_row + head * v_head + time[:, None] * v_time + unit[None, :] * v_unit,
            mask=read,
            other=0.0,
        )
        weights = weights * fade + tl.sum(weight, axis=0)
        total = total * fade + tl.sum(weight[:, None] * values.to(tl.float32), axis=0)
        top = newest
    total = total / tl.where(weights == 0.0, 1.0, weights)  # a query that sees nothing gives zeros
    out = y + (row * heads + head) * size + unit
    tl.store(out, total.to(y.dtype.element_ty), mask=real)


@torch.library.custom_op(
    "chainrule::attend",
    mutates_args=(),
    schema="(Tensor q, Tensor k, Tensor v, Tensor? mask, float scale) -> Tensor",
)
def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Σ_s softmax_s(scale · q·k_s + mask_s) v_s, with sums of float32.

    Args:
        q: (B, H, 1, d) float32 or bfloat16.
        k, v: (B, H, T, d) of the same type.
        mask: (B, H, 1, T), added; -inf for a time that is not seen.
        scale: of the scores.

    Returns:
        (B, H, 1, d).
    """
    batch, heads, times, size = k.shape
    y = q.new_empty(batch, heads, 1, size)
    units = triton.next_power_of_2(size)
    queries, shift = q[:, :, 0], None if mask is None else mask[:, :, 0]
    _kernel[batch * heads,](
        q, k, v, q if mask is None else mask, y, heads, times, size, scale,
        *queries.stride(), *k.stride(), *v.stride(), *((0, 0, 0) if shift is None else shift.stride()),
        MASKED=mask is not None, TIMES=min(triton.next_power_of_2(times), max(TILE // units, 1)), UNITS=units,
    )  # fmt: skip
    return y


@attend.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    return q.new_empty(q.shape)
