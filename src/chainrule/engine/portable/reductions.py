"""Operations on whole rows in portable arithmetic: sums, softmax, norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.engine.portable.array import Array
from chainrule.engine.portable.formulas import FUNCTIONS
from chainrule.engine.portable.registry import Kept, lacking, operation
from chainrule.engine.portable.sums import total


def _last(x: Tensor, dim: Any) -> tuple[np.ndarray, list[int]]:
    """The dimensions summed over made one, the last, in their order; and which these are."""
    dims = range(x.ndim) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    dims = sorted(d % x.ndim for d in dims) if x.ndim else []
    rest = [d for d in range(x.ndim) if d not in dims]
    moved = x.permute(*rest, *dims)
    return moved.reshape(*moved.shape[: len(rest)], -1).numpy(), dims


def _shaped(sums: np.ndarray, x: Tensor, dims: Sequence[int], keepdim: bool, dtype: torch.dtype) -> Tensor:
    shape = [1 if d in dims else n for d, n in enumerate(x.shape) if keepdim or d not in dims]
    return torch.from_numpy(np.ascontiguousarray(sums)).to(dtype).reshape(shape)


@operation("sum")
def _sum(
    kept: Kept, x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    out = dtype or x.dtype
    if not out.is_floating_point:
        return torch.sum(x, dim, keepdim, dtype=dtype) if dim is not None else torch.sum(x, dtype=dtype)
    numbers, dims = _last(x.to(out), dim)
    return _shaped(total(numbers), x, dims, keepdim, out)


@operation("mean")
def _mean(
    kept: Kept, x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    numbers, dims = _last(x, dim)
    return _shaped(total(numbers) / numbers.shape[-1], x, dims, keepdim, dtype or x.dtype)


@operation("cumsum")
def _cumsum(kept: Kept, x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    out = dtype or x.dtype
    if not out.is_floating_point:
        return torch.cumsum(x, dim, dtype=dtype)
    return torch.from_numpy(np.add.accumulate(x.to(out).numpy().astype(np.float64), axis=dim)).to(out)


@operation("_softmax", "_safe_softmax", "_log_softmax")
def _softmax(
    kept: Kept, x: Tensor, dim: int, half: Any = None, *, dtype: torch.dtype | None = None, name: str
) -> Tensor:
    out = dtype or x.dtype
    wide = x.to(out).movedim(dim, -1).numpy().astype(np.float64)
    top = wide.max(-1, keepdims=True, initial=-math.inf)
    with np.errstate(all="ignore"):
        if name == "_safe_softmax":
            top = np.where(top == -math.inf, 0.0, top)
        powers = _numpy("exp", wide - top)
        sums = total(powers)
        if name == "_safe_softmax":
            sums = np.where(sums == 0, 1.0, sums)
        found = wide - top - _numpy("log", sums) if name == "_log_softmax" else powers / sums
    return torch.from_numpy(found).to(out).movedim(-1, dim).contiguous()


@operation("logsumexp")
def _logsumexp(kept: Kept, x: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    numbers, dims = _last(x, dim)
    wide = numbers.astype(np.float64)
    top = wide.max(-1, keepdims=True, initial=-math.inf)
    with np.errstate(all="ignore"):
        top = np.where(np.isinf(top), 0.0, top)
        found = _numpy("log", total(_numpy("exp", wide - top))) + top
    return _shaped(found, x, dims, keepdim, x.dtype)


@operation("logaddexp")
def _logaddexp(kept: Kept, a: Tensor, b: Tensor) -> Tensor:
    a, b = torch.broadcast_tensors(a, b)
    return _logsumexp(kept, torch.stack([a, b], dim=-1), [-1])


@operation("native_layer_norm")
def _layer_norm(
    kept: Kept, x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(x - mean) / √(variance + eps) · weight + bias, in float64, and rounded at the end."""
    if len(shape) != 1:
        raise lacking("normalises several dimensions")
    wide, n = x.numpy().astype(np.float64), shape[0]
    mean = total(wide) / n
    apart = wide - mean
    root = np.sqrt(total(apart * apart) / n + eps)
    y = apart / root
    if weight is not None:
        y = y * weight.numpy().astype(np.float64)
    if bias is not None:
        y = y + bias.numpy().astype(np.float64)
    normal, middle, scale = (torch.from_numpy(part).to(x.dtype) for part in (y, mean, 1 / root))
    return normal, middle, scale


@operation("linalg_vector_norm")
def _norm(
    kept: Kept, x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    if ord != 2 or dtype is not None:
        raise lacking("takes a norm other than that of squares")
    numbers, dims = _last(x, dim)
    wide = numbers.astype(np.float64)
    return _shaped(np.sqrt(total(wide * wide)), x, dims, keepdim, x.dtype)


def _numpy(name: str, x: np.ndarray) -> np.ndarray:
    return FUNCTIONS[name](Array(x)).value
