"""A norm without a mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RootMeanSquareNorm(nn.Module):
    """y = w ⊙ x / √(mean x² + ε) over the channels of each position, (…, C) → (…, C).

    Args:
        channels: C.
        epsilon: ε.

    References:
        Zhang, Sennrich (2019), "Root mean square layer normalization", https://arxiv.org/abs/1910.07467
    """

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) → (…, C)."""
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon))
