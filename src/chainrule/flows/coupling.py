"""Coupling layers: part of an item moves the rest, and stays."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.flows.bijection import Bijection
from chainrule.flows.univariate import Affine, Shift, Univariate


class Coupling(Bijection):
    """z = y where m = 1, and a univariate map of y elsewhere, whose parameters F gives from m ⊙ y.

    F reads asinh y, so that nothing blows up.

    Args:
        mask: m, 1 for what stays; broadcasts to an item.
        net: F, from an item to one with P times as many entries in its first dimension, one parameter after the other.
        univariate: the map, of P parameters; `Affine`, y exp(s) + t, by default.

    References:
        Dinh, Krueger, Bengio (2015), "NICE", https://arxiv.org/abs/1410.8516, §3.2
    """

    mask: Tensor

    def __init__(self, mask: Tensor, net: nn.Module, univariate: Univariate | None = None) -> None:
        super().__init__()
        self.register_buffer("mask", mask.bool(), persistent=False)
        self.net, self.univariate = net, Affine() if univariate is None else univariate

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *shape) → (B, *shape), (B,)."""
        z, log_slope = self.univariate(y, self._params(y))
        return torch.where(self.mask, y, z), log_slope.masked_fill(self.mask, 0.0).flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """(B, *shape) → (B, *shape)."""
        return torch.where(self.mask, z, self.univariate.inverse(z, self._params(z)))

    def _params(self, y: Tensor) -> Tensor:
        """(B, *shape) → (B, *shape, P)."""
        raw = self.net(torch.asinh(y * self.mask))
        return raw.unflatten(1, (self.univariate.size, -1)).movedim(1, -1)


def additive(mask: Tensor, net: nn.Module) -> Coupling:
    """z = y + F(m ⊙ y) where m = 0: the volume stays as it is."""
    return Coupling(mask, net, Shift())


def alternate(size: int, odd: bool) -> Tensor:
    """The mask (D,) of every other variable."""
    return torch.arange(size) % 2 == int(odd)


def checkerboard(height: int, width: int, odd: bool) -> Tensor:
    """The mask (1, H, W) of every other pixel."""
    return ((torch.arange(height)[:, None] + torch.arange(width)) % 2 == int(odd))[None]


def half_channels(channels: int, odd: bool) -> Tensor:
    """The mask (C, 1, 1) of the first or the second half of the channels."""
    return ((torch.arange(channels) < channels // 2) != odd)[:, None, None]
