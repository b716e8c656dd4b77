"""Functions and products in portable arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.engine.portable.array import Array
from chainrule.engine.portable.formulas import FUNCTIONS
from chainrule.engine.portable.registry import Kept, lacking, operation
from chainrule.engine.portable.sums import product


def apply(name: str, x: Tensor) -> Tensor:
    """A function of `FUNCTIONS`, computed in float64 and rounded to the type of x once."""
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    with np.errstate(all="ignore"):
        value = FUNCTIONS[name](Array(x.detach().numpy().astype(np.float64))).value
    return torch.from_numpy(np.array(value)).to(dtype).reshape(x.shape)


def _function(name: str) -> None:
    operation(name)(lambda kept, x: apply(name, x))


for _name in FUNCTIONS.keys() - {"gelu", "gelu_by_tanh", "elu", "softplus", "log_sigmoid_forward"}:
    _function(_name)


@operation("gelu")
def _gelu(kept: Kept, x: Tensor, approximate: str = "none") -> Tensor:
    return apply("gelu" if approximate == "none" else "gelu_by_tanh", x)


@operation("elu")
def _elu(kept: Kept, x: Tensor, *scales: float) -> Tensor:
    if any(scale != 1 for scale in scales):
        raise lacking("uses elu with a scale")
    return apply("elu", x)


@operation("softplus")
def _softplus(kept: Kept, x: Tensor, *scales: float) -> Tensor:
    if scales:
        raise lacking("uses softplus with a scale")
    return apply("softplus", x)


@operation("log_sigmoid_forward")
def _log_sigmoid(kept: Kept, x: Tensor) -> tuple[Tensor, Tensor]:
    return apply("log_sigmoid_forward", x), x.new_empty(0)


@operation("add", "sub", "rsub")
def _add(kept: Kept, a: Any, b: Any, alpha: float = 1, *, name: str = "add") -> Tensor:
    if name == "rsub":
        a, b, name = b, a, "sub"
    scaled = b if alpha == 1 else torch.mul(b, alpha)
    return torch.add(a, scaled) if name == "add" else torch.sub(a, scaled)


@operation("addcmul")
def _addcmul(kept: Kept, base: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    both = a * b
    return base + (both if value == 1 else both * value)


@operation("addcdiv")
def _addcdiv(kept: Kept, base: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    both = a / b
    return base + (both if value == 1 else both * value)


@operation("lerp")
def _lerp(kept: Kept, start: Tensor, end: Tensor, weight: Any) -> Tensor:
    return start + weight * (end - start)


@operation("pow")
def _power(kept: Kept, base: Any, exponent: Any) -> Tensor:
    if not isinstance(base, Tensor) or isinstance(exponent, Tensor):
        raise lacking("uses a power of a changing exponent")
    if exponent == 2:
        return base * base
    if exponent == 3:
        return base * base * base
    names = {0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
    if exponent not in names:
        raise lacking(f"uses a power of {exponent}")
    return apply(names[exponent], base)


@operation("logit")
def _logit(kept: Kept, x: Tensor, eps: float | None = None) -> Tensor:
    x = x if eps is None else x.clamp(eps, 1 - eps)
    return apply("log", x / (1 - x))


# --- products --------------------------------------------------------------------------------------------


@operation("mm", "bmm")
def _mm(kept: Kept, a: Tensor, b: Tensor) -> Tensor:
    if not a.is_floating_point():
        return torch.matmul(a, b)
    return product(a, b, kept).to(a.dtype)


@operation("mv")
def _mv(kept: Kept, a: Tensor, b: Tensor) -> Tensor:
    return _mm(kept, a, b[:, None])[:, 0]


@operation("dot")
def _dot(kept: Kept, a: Tensor, b: Tensor) -> Tensor:
    return _mm(kept, a[None], b[:, None])[0, 0]


@operation("addmm", "baddbmm")
def _addmm(kept: Kept, bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    if beta != 1 or alpha != 1:
        raise lacking("scales a product")
    return bias + _mm(kept, a, b)


@operation("convolution")
def _convolution(
    kept: Kept,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    wider: Sequence[int],
    groups: int,
) -> Tensor:
    """Each result is one product: of a window, channel after channel, and of the kernel."""
    dims = x.ndim - 2
    if transposed:
        if groups != 1:
            raise lacking("uses a grouped transposed convolution")
        x = _spread(x, weight.shape[2:], stride, padding, dilation, wider)
        weight = weight.transpose(0, 1).flip(list(range(2, 2 + dims)))
        stride = [1] * dims
    else:
        x = F.pad(x, [side for p in reversed(padding) for side in (p, p)])
    taps = weight.shape[2:]
    outs = [
        (n - d * (t - 1) - 1) // s + 1 for n, d, t, s in zip(x.shape[2:], dilation, taps, stride, strict=True)
    ]
    steps = x.stride()
    windows = x.as_strided(
        (x.shape[0], *outs, groups, x.shape[1] // groups, *taps),
        (
            steps[0],
            *(n * s for n, s in zip(steps[2:], stride, strict=True)),
            steps[1] * (x.shape[1] // groups),
            steps[1],
            *(n * d for n, d in zip(steps[2:], dilation, strict=True)),
        ),
    )
    rows = windows.reshape(-1, groups, prod(windows.shape[2 + dims :])).transpose(0, 1)
    columns = weight.flatten(1).unflatten(0, (groups, -1)).mT
    each = product(rows, columns, kept).to(x.dtype)  # (groups, B · outs, O)
    y = each.permute(1, 0, 2).reshape(x.shape[0], *outs, -1).movedim(-1, 1)
    y = y if bias is None else y + bias.view(-1, *[1] * dims)
    return y.contiguous()


def _spread(
    x: Tensor,
    taps: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    wider: Sequence[int],
) -> Tensor:
    """Elements `stride` apart, with zeros between and around them."""
    around = [d * (t - 1) - p for d, t, p in zip(dilation, taps, padding, strict=True)]
    if min(around) < 0:
        raise lacking("cuts the border off a transposed convolution")
    sizes = [
        (n - 1) * s + 1 + 2 * a + w for n, s, a, w in zip(x.shape[2:], stride, around, wider, strict=True)
    ]
    spread = x.new_zeros(*x.shape[:2], *sizes)
    inside = spread
    for dim, (n, s, a) in enumerate(zip(x.shape[2:], stride, around, strict=True), start=2):
        inside = inside.narrow(dim, a, (n - 1) * s + 1).unfold(dim, 1, s).squeeze(-1)
    inside.copy_(x)
    return spread


def attend(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    """softmax(s q kᵀ + mask) v, from operations that have their rules; s = 1 / √d unless it is given."""
    scores = (query @ key.mT) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if attn_mask is not None:
        scores = (
            scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
        )
    return torch.softmax(scores, dim=-1) @ value
