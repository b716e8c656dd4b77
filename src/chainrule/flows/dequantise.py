"""Levels as numbers: x + u with u in [0, 1), so that a density bounds their probability.

log P(x) = log ∫ p(x + u) du ≥ E_q(u|x)[log p(x + u) - log q(u | x)].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.flows.nets import perceptron


class Uniform(nn.Module):
    """u uniform on [0, 1): q = 1.

    References:
        Theis, van den Oord, Bethge (2016), "A note on the evaluation of generative models",
        https://arxiv.org/abs/1511.01844, §3.1
    """

    def forward(self, y: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """y (B, *shape), levels as numbers in [0, 1) → u of the same shape, and log q(u | x) (B,), 0."""
        place = y.device if generator is None else generator.device
        noise = torch.rand(y.shape, generator=generator, dtype=y.dtype, device=place)
        return noise.to(y.device), y.new_zeros(len(y))


class Variational(nn.Module):
    """u = σ(m(x) + s(x) ε), ε normal: learnt together with the flow, for a tighter bound.

    Args:
        size: D, variables of an item.
        hidden: width of the perceptron that gives m and s.

    References:
        Ho et al. (2019), "Flow++", https://arxiv.org/abs/1902.00275, §3.1, whose q is a flow itself
    """

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.net = perceptron(size, [hidden], 2 * size)

    def forward(self, y: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """y (B, *shape), levels as numbers in [0, 1) → u of the same shape, and log q(u | x) (B,)."""
        mean, raw = self.net(2 * y.flatten(1) - 1).chunk(2, dim=1)
        log_scale = 2 * torch.tanh(raw / 2)
        place = y.device if generator is None else generator.device
        noise = torch.randn(mean.shape, generator=generator, dtype=y.dtype, device=place).to(y.device)
        z = mean + log_scale.exp() * noise
        log_q = (
            -0.5 * noise.square() - 0.5 * math.log(2 * math.pi) - log_scale + F.softplus(z) + F.softplus(-z)
        )
        return torch.sigmoid(z).reshape_as(y), log_q.sum(1)
