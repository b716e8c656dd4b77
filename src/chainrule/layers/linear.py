"""A linear map with some weights masked out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def strictly_lower(size: int) -> Tensor:
    """The (D, D) mask under which output d reads inputs before d only."""
    return torch.ones(size, size, dtype=torch.bool).tril(-1)


class MaskedLinear(nn.Linear):
    """y = (W ⊙ mask) x + b.

    Args:
        mask: (outputs, inputs), True where a weight is alive. It is applied at every use, so that no
            optimiser can wake a masked weight.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, bias: bool = True) -> None:
        super().__init__(mask.shape[1], mask.shape[0], bias=bias)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, inputs) → (…, outputs)."""
        return F.linear(x, self.weight * self.mask, self.bias)

    def rows(self, x: Tensor, index: Tensor) -> Tensor:
        """The outputs `index` (n,) alone: (B, inputs) → (B, n). x must be 0 wherever their mask is."""
        weight = self.weight.index_select(0, index)
        bias = None if self.bias is None else self.bias.index_select(0, index)
        return F.linear(x, weight, bias)
