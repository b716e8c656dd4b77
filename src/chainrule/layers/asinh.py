"""asinh of many numbers: torch's own takes as long as a product with a hundred weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

FAR = 1e18  # its square is a float32


def asinh(x: Tensor) -> Tensor:
    """sign(x) log(|x| + √(x² + 1)), of any shape; by functions that run over several numbers at once.

    Numbers beyond ±10¹⁸ count as that.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return torch.asinh(x.clamp(-FAR, FAR))
    if not torch.is_grad_enabled():
        return _asinh(x)[0]
    result: Any = _Asinh.apply(x)
    return result


class _Asinh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y, root = _asinh(x)
        ctx.save_for_backward(x, root)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, root = ctx.saved_tensors
        if torch.is_grad_enabled():  # of higher derivatives
            return grad * torch.rsqrt(x.clamp(-FAR, FAR).square() + 1)
        return grad / root


def _asinh(x: Tensor) -> tuple[Tensor, Tensor]:
    """asinh x, to a rounding of 1 where x is small, and √(x² + 1)."""
    size = x.abs().clamp(max=FAR)
    root = (size * size + 1).sqrt()
    y = (size + root).log()
    return torch.where(x < 0, -y, y), root
