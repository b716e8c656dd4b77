"""Coupling layers: part of an item moves the rest, and stays."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.flows.bijection import STEEPEST, Bijection


class AdditiveCoupling(Bijection):
    """z = y + (1 - m) ⊙ F(m ⊙ y): the volume stays as it is. F reads asinh y, so that nothing blows up.

    Args:
        mask: m, 1 for what stays; broadcasts to an item.
        net: F, which keeps the shape.

    References:
        Dinh, Krueger, Bengio (2015), "NICE", https://arxiv.org/abs/1410.8516, §3.2
    """

    mask: Tensor

    def __init__(self, mask: Tensor, net: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mask", mask.bool(), persistent=False)
        self.net = net

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *shape) → (B, *shape), zeros (B,)."""
        return y + self._shift(y), y.new_zeros(len(y))

    def inverse(self, z: Tensor) -> Tensor:
        """(B, *shape) → (B, *shape)."""
        return z - self._shift(z)

    def _shift(self, y: Tensor) -> Tensor:
        return self.net(torch.asinh(y * self.mask)).masked_fill(self.mask, 0.0)


class AffineCoupling(Bijection):
    """z = y ⊙ exp(s) + t where m = 0; s and t come from m ⊙ y.

    So that nothing blows up, s has a soft limit and F reads asinh y.

    Args:
        mask: m, 1 for what stays; broadcasts to an item.
        net: F, which doubles the first dimension of an item: for s and t.

    References:
        Dinh, Sohl-Dickstein, Bengio (2017), "Density estimation using Real NVP", https://arxiv.org/abs/1605.08803, §3.2
    """

    mask: Tensor

    def __init__(self, mask: Tensor, net: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mask", mask.bool(), persistent=False)
        self.net = net

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *shape) → (B, *shape), (B,)."""
        log_scale, shift = self._affine(y)
        return y * log_scale.exp() + shift, log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """(B, *shape) → (B, *shape)."""
        log_scale, shift = self._affine(z)
        return (z - shift) * (-log_scale).exp()

    def _affine(self, y: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.net(torch.asinh(y * self.mask)).chunk(2, dim=1)
        log_scale = STEEPEST * torch.tanh(raw / STEEPEST)
        return log_scale.masked_fill(self.mask, 0.0), shift.masked_fill(self.mask, 0.0)


def alternate(size: int, odd: bool) -> Tensor:
    """The mask (D,) of every other variable."""
    return torch.arange(size) % 2 == int(odd)


def checkerboard(height: int, width: int, odd: bool) -> Tensor:
    """The mask (1, H, W) of every other pixel."""
    return ((torch.arange(height)[:, None] + torch.arange(width)) % 2 == int(odd))[None]


def half_channels(channels: int, odd: bool) -> Tensor:
    """The mask (C, 1, 1) of the first or the second half of the channels."""
    return ((torch.arange(channels) < channels // 2) != odd)[:, None, None]
