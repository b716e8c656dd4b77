"""Attention over cached keys and values, those that the mask allows alone."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from chainrule.engine.native.kernels import elementwise, matmul
from chainrule.engine.native.kernels import intrinsics as ir
from chainrule.engine.native.kernels.matmul import FAST
from chainrule.engine.native.kernels.reductions import EXP
from chainrule.engine.native.kernels.simd import DOUBLE, FLOAT, LANES


def _attend(view: Any, dot: Any, exp: Any, total: Any, combine: Any, kind: Any, size: int, lanes: int) -> Any:
    @nb.njit(**FAST)
    def attend(out, q, k, v, mask, spare, scale, shape, out_steps, q_steps, k_steps, v_steps, mask_steps):
        """softmax(scale · q kᵀ + mask) v.

        Args:
            out, q, k, v, mask, spare: addresses; room for L numbers at `spare`.
            scale: of the products.
            shape: B, H, M, L, d.
            out_steps, q_steps, k_steps, v_steps: elements between batches, heads and positions; the d numbers
                of a position lie together.
            mask_steps: between batches, heads, queries and keys.
        """
        width = shape[4]
        scores, bias = view(spare, shape[3]), view(mask, ir.FAR)
        for b in range(shape[0]):
            for h in range(shape[1]):
                for m in range(shape[2]):
                    mask_row = b * mask_steps[0] + h * mask_steps[1] + m * mask_steps[2]
                    query = q + (b * q_steps[0] + h * q_steps[1] + m * q_steps[2]) * size
                    keys = k + (b * k_steps[0] + h * k_steps[1]) * size
                    values = v + (b * v_steps[0] + h * v_steps[1]) * size
                    result = out + (b * out_steps[0] + h * out_steps[1] + m * out_steps[2]) * size
                    seen = shape[3]  # keys after the last one that may be seen cost nothing
                    while seen > 1 and bias[mask_row + (seen - 1) * mask_steps[3]] == kind(-np.inf):
                        seen -= 1
                    top = kind(-np.inf)
                    for j in range(seen):
                        score = bias[mask_row + j * mask_steps[3]]
                        score += kind(scale) * dot(query, keys + j * k_steps[2] * size, width)
                        scores[j] = score
                        top = max(top, score)
                    for j in range(seen):
                        scores[j] -= top
                    exp(EXP, spare, seen, spare, 1)
                    whole = total(spare, seen)
                    for j in range(seen):
                        scores[j] /= whole
                    column = 0
                    while column + lanes <= width:
                        combine(result + column * size, spare, values + column * size, v_steps[2], seen)
                        column += lanes
                    y, x = view(result, width), view(values, ir.FAR)
                    for i in range(column, width):
                        y[i] = 0
                        for j in range(seen):
                            y[i] += scores[j] * x[j * v_steps[2] + i]

    return attend


attend_f32 = _attend(
    ir.f32,
    matmul.dot_f32,
    elementwise.unary_f32,
    matmul.sum_f32,
    ir.combine_f32,
    np.float32,
    4,
    LANES[FLOAT],
)
attend_f64 = _attend(
    ir.f64,
    matmul.dot_f64,
    elementwise.unary_f64,
    matmul.sum_f64,
    ir.combine_f64,
    np.float64,
    8,
    LANES[DOUBLE],
)
