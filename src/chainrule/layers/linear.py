"""A linear map with some weights masked out."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from chainrule.layers.masked_product import Block, MaskedProduct, blocks_of


def strictly_lower(size: int, device: torch.device | None = None) -> Tensor:
    """The (D, D) mask under which output d reads inputs before d only."""
    return torch.ones(size, size, dtype=torch.bool, device=device).tril(-1)


class MaskedLinear(nn.Linear):
    """y = (W ⊙ mask) x + b.

    On a CPU, outputs that read the first inputs only are not multiplied with the others.

    Args:
        mask: (outputs, inputs), True where a weight is alive. It is applied at every use, so that no
            optimiser can wake a masked weight.
    """

    mask: Tensor
    factor: Tensor  # the mask as 0 and 1: weights times booleans take four times as long

    def __init__(self, mask: Tensor, bias: bool = True) -> None:
        super().__init__(mask.shape[1], mask.shape[0], bias=bias)
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("factor", mask.to(self.weight.dtype), persistent=False)
        self.blocks = blocks_of(mask)

    def forward(self, x: Tensor) -> Tensor:
        """(…, inputs) → (…, outputs)."""
        if len(self.blocks) > 1 and by_hand(x):
            result: Any = _Blocks.apply(x.flatten(0, -2), self.weight, self.bias, self)
            return result.unflatten(0, x.shape[:-1])
        return F.linear(x, self.weight * self.factor, self.bias)

    def product(self) -> MaskedProduct:
        """W ⊙ mask, to be multiplied."""
        return MaskedProduct(self.weight, self.factor, self.blocks)

    def under(self, mask: Tensor, blocks: list[Block]) -> MaskedLinear:
        """The same parameters under another mask, on their device, of these blocks."""
        other = copy.copy(self)
        other._buffers = {"mask": mask.to(self.mask), "factor": mask.to(self.factor)}
        other.blocks = blocks
        return other

    def rows(self, x: Tensor, index: Tensor) -> Tensor:
        """The outputs `index` (n,) alone: (B, inputs) → (B, n). x must be 0 wherever their mask is."""
        return linear_rows(x, self.weight, self.bias, index)


def linear_rows(x: Tensor, weight: Tensor, bias: Tensor | None, index: Tensor) -> Tensor:
    """The outputs `index` (n,) of W x + b alone, (…, inputs) → (…, n). A mode may put a kernel in its place."""
    if has_torch_function_unary(x):
        return handle_torch_function(linear_rows, (x,), x, weight, bias, index)
    bias = None if bias is None else bias.index_select(0, index)
    return F.linear(x, weight.index_select(0, index), bias)


def by_hand(x: Tensor) -> bool:
    """Whether what is written for a CPU, gradients included, may take the place of torch's functions."""
    return (
        x.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()
    )


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, layer: MaskedLinear) -> Tensor:
        ctx.save_for_backward(x, weight, layer.factor)
        ctx.product, ctx.biased = layer.product(), bias is not None
        return ctx.product.times(x, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, weight, factor = ctx.saved_tensors
        of_bias = grad.sum(0) if ctx.biased else None
        if torch.is_grad_enabled():  # of higher derivatives
            return grad @ (weight * factor), grad.T @ x * factor, of_bias, None
        of_x = ctx.product.back(grad) if ctx.needs_input_grad[0] else None
        return of_x, ctx.product.outer(grad, x), of_bias, None
