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
    def attend(out, q, k, v, mask, spare, scale, shape, steps):
        """softmax(scale · q kᵀ + mask) v.

        Args:
            out, q, k, v, mask, spare: addresses; room for L numbers at `spare`.
            scale: of the products.
            shape: B, H, M, L, d.
            steps: elements between batches, heads and places of out, q, k, v; batches, heads, queries and keys
                of the mask. The d numbers of a place lie together.
        """
        width = shape[4]
        scores, bias = view(spare, shape[3]), view(mask, ir.FAR)
        for b in range(shape[0]):
            for h in range(shape[1]):
                for m in range(shape[2]):
                    first = b * steps[12] + h * steps[13] + m * steps[14]
                    query = q + (b * steps[3] + h * steps[4] + m * steps[5]) * size
                    keys = k + (b * steps[6] + h * steps[7]) * size
                    values = v + (b * steps[9] + h * steps[10]) * size
                    result = out + (b * steps[0] + h * steps[1] + m * steps[2]) * size
                    seen = shape[3]  # places after the last one that may be seen cost nothing
                    while seen > 1 and bias[first + (seen - 1) * steps[15]] == kind(-np.inf):
                        seen -= 1
                    top = kind(-np.inf)
                    for place in range(seen):
                        score = bias[first + place * steps[15]]
                        score += kind(scale) * dot(query, keys + place * steps[8] * size, width)
                        scores[place] = score
                        top = max(top, score)
                    for place in range(seen):
                        scores[place] -= top
                    exp(EXP, spare, seen, spare, 1)
                    whole = total(spare, seen)
                    for place in range(seen):
                        scores[place] /= whole
                    column = 0
                    while column + lanes <= width:
                        combine(result + column * size, spare, values + column * size, steps[11], seen)
                        column += lanes
                    y, x = view(result, width), view(values, ir.FAR)
                    for i in range(column, width):
                        y[i] = 0
                        for place in range(seen):
                            y[i] += scores[place] * x[place * steps[11] + i]

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
