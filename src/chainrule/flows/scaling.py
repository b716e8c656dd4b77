"""One factor for each variable or channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.flows.bijection import Bijection

LEAST = 1e-3  # standard deviation of a channel that is not constant


class Scaling(Bijection):
    """z = y ⊙ exp(s), the last layer of NICE.

    Args:
        size: D, variables of an item (B, D).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(size))

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) → (B, D), (B,)."""
        return y * self.log_scale.exp(), self.log_scale.sum().expand(len(y))

    def inverse(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D)."""
        return z * (-self.log_scale).exp()

    @torch.no_grad()
    def prepare(self, y: Tensor) -> None:
        """Standard deviations of y."""
        if len(y) > 1:
            self.log_scale.copy_(-spread(y.T).log())


class ActNorm(Bijection):
    """z = (y + b) ⊙ exp(s) for each channel, or each variable of a vector; the first data come out standardised.

    Unlike batch normalisation it is the same map in training and afterwards, and does not depend on the batch.

    Args:
        shape: of an item: (D,) or (C, H, W).

    References:
        Kingma, Dhariwal (2018), "Glow", https://arxiv.org/abs/1807.03039, §3.1
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        inner = [1] * (len(shape) - 1)
        self.places = torch.Size(shape[1:]).numel()
        self.shift = nn.Parameter(torch.zeros(shape[0], *inner))
        self.log_scale = nn.Parameter(torch.zeros(shape[0], *inner))

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *shape) → (B, *shape), (B,)."""
        z = (y + self.shift) * self.log_scale.exp()
        return z, (self.places * self.log_scale.sum()).expand(len(y))

    def inverse(self, z: Tensor) -> Tensor:
        """(B, *shape) → (B, *shape)."""
        return z * (-self.log_scale).exp() - self.shift

    @torch.no_grad()
    def prepare(self, y: Tensor) -> None:
        """Means and standard deviations of y; a channel that is constant keeps its scale."""
        if len(y) < 2:
            return
        channels = y.transpose(0, 1).flatten(1)
        self.shift.copy_(-channels.mean(1).reshape_as(self.shift))
        self.log_scale.copy_(-spread(channels).log().reshape_as(self.log_scale))


def spread(channels: Tensor) -> Tensor:
    """The standard deviation of each of (C, N) → (C,); 1 of a channel that is constant."""
    deviation = channels.std(1, correction=0)
    return torch.where(deviation > LEAST, deviation, torch.ones_like(deviation))
