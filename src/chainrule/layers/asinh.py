"""asinh of many numbers: torch's own takes as long as a product with a hundred weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def asinh(x: Tensor) -> Tensor:
    """sign(x) log(|x| + √(x² + 1)), of any shape; by functions that run over several numbers at once."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return torch.asinh(x)
    result: Any = _Asinh.apply(x)
    return result


class _Asinh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        size = x.abs()
        root = torch.hypot(size, size.new_ones(()))  # whose square may be too large a number
        ctx.save_for_backward(x, root)
        small = torch.addcmul(size, size, size / (1 + root))  # e^y - 1
        return small.log1p_().copysign_(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, root = ctx.saved_tensors
        if torch.is_grad_enabled():  # of higher derivatives
            return grad * torch.rsqrt(x.square() + 1)
        return grad / root
