"""Concat-ELU and gate of whole images, their gradients written out: autograd would take twice the passes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from chainrule.layers.dropout import keep_mask

elu_backward, sigmoid_backward = torch.ops.aten.elu_backward, torch.ops.aten.sigmoid_backward


def framed_elu(x: Tensor, sides: tuple[int, int], dropout: float = 0.0) -> Tensor:
    """elu of x and of -x in a frame of zeros, as convolutions of two rows read it: a row above, columns at the sides.

    Args:
        x: (B, C, H, W).
        sides: columns of zeros on the left and on the right, (1, r).
        dropout: the part of values that are 0 instead; the others are not scaled.

    Returns:
        (B, 2C, 1 + H, 1 + W + r).
    """
    return _FramedELU.apply(x, sides, dropout)


def unframed(x: Tensor, width: int) -> Tensor:
    """(B, C, 1 + H, …) → (B, C, H, W)."""
    return F.pad(x, (-1, 1 + width - x.shape[3], -1, 0))


def gated(x: Tensor, gates: Tensor) -> Tensor:
    """x + a ⊙ σ(b) of the gates (a | b): (B, C, …), (B, 2C, …) → (B, C, …)."""
    return _Gated.apply(x, gates)


class _FramedELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sides: tuple[int, int], dropout: float) -> Tensor:
        batch, c, height, width = x.shape
        shape = batch, 2 * c, 1 + height, width + sum(sides)
        out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        for edge in (out[:, :, 0], out[..., 0], out[..., 1 + width :]):
            edge.zero_()
        inner = out[:, :, 1:, 1 : 1 + width]
        low = x.abs().neg_().expm1_()  # of either sign, where it is not the number itself
        torch.maximum(x, low, out=inner[:, :c])
        torch.maximum(-x, low, out=inner[:, c:])
        keep = keep_mask(out, dropout) if dropout else None
        if keep is not None:
            out.mul_(keep)
        ctx.save_for_backward(out, *(() if keep is None else (keep,)))
        ctx.width = width
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        out, *keep = ctx.saved_tensors
        if keep:
            grad = grad * keep[0]
        each = elu_backward(grad, 1.0, 1.0, 1.0, True, out)
        up, down = each[:, :, 1:, 1 : 1 + ctx.width].chunk(2, dim=1)
        return up - down, None, None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gates: Tensor) -> Tensor:
        a = gates.chunk(2, dim=1)[0]
        sigma = torch.sigmoid(gates).chunk(2, dim=1)[1]  # of all: half of the channels alone take longer
        ctx.save_for_backward(gates, sigma)
        return torch.addcmul(x, a, sigma)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        gates, sigma = ctx.saved_tensors
        out, a = torch.empty_like(gates), gates.chunk(2, dim=1)[0]
        of_a, of_b = out.chunk(2, dim=1)
        torch.mul(grad, sigma, out=of_a)
        sigmoid_backward.grad_input(grad * a, sigma, grad_input=of_b)
        return grad, out
