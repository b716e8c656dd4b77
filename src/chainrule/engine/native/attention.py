"""Attention over cached keys and values, those that the mask allows alone."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from chainrule.engine.native import intrinsics as ir
from chainrule.engine.native import functions, kernels
from chainrule.engine.native.kernels import EXP, FAST


def _attend(view: Any, dot: Any, exp: Any, kind: Any, size: int) -> Any:
    @nb.njit(**FAST)
    def attend(out, q, k, v, mask, spare, scale, shape, steps):
        """softmax(scale · q kᵀ + mask) v.

        Args:
            out, q, k, v, mask, spare: addresses; room for L numbers at `spare`.
            shape: B, H, M, L, d.
            steps: elements between batches, heads and places of out, q, k, v; batches, heads, queries and keys
                of the mask. The d numbers of a place lie together.
        """
        scores, bias = view(spare, shape[3]), view(mask, ir.FAR)
        for b in range(shape[0]):
            for h in range(shape[1]):
                for m in range(shape[2]):
                    first = b * steps[12] + h * steps[13] + m * steps[14]
                    query = q + (b * steps[3] + h * steps[4] + m * steps[5]) * size
                    top = kind(-np.inf)
                    for place in range(shape[3]):
                        allowed = bias[first + place * steps[15]]
                        scores[place] = allowed
                        if allowed > kind(-np.inf):
                            key = k + (b * steps[6] + h * steps[7] + place * steps[8]) * size
                            scores[place] += kind(scale) * dot(query, key, shape[4])
                            top = max(top, scores[place])
                    y = view(out + (b * steps[0] + h * steps[1] + m * steps[2]) * size, shape[4])
                    for i in range(shape[4]):
                        y[i] = 0
                    for place in range(shape[3]):
                        scores[place] -= top
                    exp(EXP, spare, shape[3], spare, 1)
                    total = kind(0)
                    for place in range(shape[3]):
                        weight = scores[place]
                        if weight > 0:
                            total += weight
                            values = view(v + (b * steps[9] + h * steps[10] + place * steps[11]) * size, shape[4])
                            for i in range(shape[4]):
                                y[i] += weight * values[i]
                    for i in range(shape[4]):
                        y[i] /= total

    return attend


attend_f32 = _attend(ir.f32, kernels.dot_f32, functions.unary_f32, np.float32, 4)
attend_f64 = _attend(ir.f64, kernels.dot_f64, functions.unary_f64, np.float64, 8)
