"""The steps of `LeastSquares` in one compiled loop: a step there is thirty operations on a few hundred numbers."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def scan(
    x: np.ndarray, inverse: np.ndarray, coefficients: np.ndarray, past: np.ndarray, sizes: np.ndarray,
    weights: np.ndarray, out: np.ndarray, orders: np.ndarray, forgetting: np.ndarray, decay: np.ndarray,
    limit: float, loosest: float, weighed_by: int, smallest: float,
) -> None:  # fmt: skip
    """Samples x (B, n) → `out` (B, n, J·5), and the state, both in place, as `LeastSquares.step` has them."""
    rows, steps = x.shape
    predictors = len(orders)
    along = np.empty(past.shape[1])
    for b in range(rows):
        h = past[b]
        for t in range(steps):
            sample = x[b, t]
            for j in range(predictors):
                out[b, t, predictors + j] = sample - _predict(coefficients[b, j], h, orders[j], limit)
            for j in range(predictors):
                size = abs(out[b, t, predictors + j])
                usual = sizes[b, j, weighed_by] / weights[b, weighed_by] + smallest
                noise = forgetting[j] * (usual * (usual + size))
                error = out[b, t, predictors + j]
                _follow(
                    inverse[b, j],
                    coefficients[b, j],
                    h,
                    along,
                    orders[j],
                    error,
                    noise,
                    forgetting[j],
                    loosest,
                )
                for i in range(len(decay)):
                    sizes[b, j, i] = sizes[b, j, i] * decay[i] + size
            for p in range(len(h) - 1, 0, -1):
                h[p] = h[p - 1]
            h[0] = sample
            for i in range(len(decay)):
                weights[b, i] = weights[b, i] * decay[i] + 1
            for j in range(predictors):
                out[b, t, j] = _predict(coefficients[b, j], h, orders[j], limit)
                for i in range(len(decay)):
                    out[b, t, (2 + i) * predictors + j] = sizes[b, j, i] / weights[b, i] + smallest


@numba.njit(cache=True, nogil=True)
def _predict(coefficients: np.ndarray, past: np.ndarray, order: int, limit: float) -> float:
    total = 0.0
    for p in range(order):
        total += coefficients[p] * past[p]
    return min(max(total, -limit), limit)


@numba.njit(cache=True, nogil=True)
def _follow(
    inverse: np.ndarray, coefficients: np.ndarray, past: np.ndarray, along: np.ndarray, order: int,
    error: float, noise: float, forgetting: float, loosest: float,
) -> None:  # fmt: skip
    """One sample's update of P and w."""
    spread = noise
    for p in range(order):
        along[p] = 0.0
        for q in range(order):
            along[p] += inverse[p, q] * past[q]
        spread += along[p] * past[p]
    trace = 0.0
    for p in range(order):
        coefficients[p] += along[p] * (error / spread)
        for q in range(order):
            inverse[p, q] -= along[p] * along[q] / spread
        trace += inverse[p, p]
    if trace <= loosest:
        for p in range(order):
            for q in range(order):
                inverse[p, q] /= forgetting
