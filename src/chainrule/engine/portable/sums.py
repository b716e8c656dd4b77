"""Products and sums whose value does not depend on the order in which a machine adds, nor on how it multiplies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from chainrule.engine.portable.array import BIAS, PLACES

BITS = 22  # of a factor
TERMS = 512  # of a product of two that are summed exactly: 2^22 · 2^22 · 2^9 = 2^53
LEAST = -900  # of the exponents of factors: smaller ones count as zeros
Grid = tuple[np.ndarray, np.ndarray]


def on_grid(x: np.ndarray) -> Grid:
    """Vectors (…, K) → whole numbers q (…, K) up to 2^22, as float64, and steps s (…, 1): x ≈ q s.

    s is the power of two for which the largest |q| is more than 2^21; q is rounded, halves to even numbers.
    """
    wide = x.astype(np.float64)
    top = np.abs(wide).max(-1, keepdims=True, initial=0.0)
    exponent = np.maximum(
        (top.view(np.int64) >> PLACES) - BIAS + 1, LEAST
    )  # 2^(exponent - 1) ≤ top < 2^exponent
    return np.rint(wide * _power(BITS - exponent)), _power(exponent - BITS)


def product(a: Tensor, b: Tensor, kept: Callable[[Tensor], Grid]) -> Tensor:
    """a (…, R, K) times b (…, K, N), in float64: (…, R, N).

    Each of the sums depends on its row and its column alone. Up to 512 terms are added exactly, so that their order
    does not matter; sums of 512 terms each are added one after another.

    Args:
        kept: `on_grid` of the columns (…, N, K).
    """
    (qa, sa), (qb, sb) = on_grid(a.numpy()), kept(b.mT)
    rows, columns = torch.from_numpy(qa), torch.from_numpy(qb).mT
    total = rows[..., :TERMS] @ columns[..., :TERMS, :]
    for k in range(TERMS, a.shape[-1], TERMS):
        total = total + rows[..., k : k + TERMS] @ columns[..., k : k + TERMS, :]
    return total * torch.from_numpy(sa) * torch.from_numpy(sb).mT


def total(x: np.ndarray) -> np.ndarray:
    """Σ x (…, n) → (…, 1) in float64: while there are n > 1, the last ones are added to the first 2^⌈log₂ n⌉⁻¹."""
    x = x.astype(np.float64)
    n = x.shape[-1]
    if n == 0:
        return np.zeros((*x.shape[:-1], 1))
    while n > 1:
        half = 1 << (n - 1).bit_length() - 1
        x[..., : n - half] += x[..., half:n]
        n = half
    return x[..., :1]


def _power(n: np.ndarray) -> np.ndarray:
    return ((n + BIAS) << PLACES).view(np.float64)
