"""What a flow is made of: maps that can be undone, and whose change of volume is known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn


class Bijection(nn.Module, ABC):
    """y ↔ z. By the change of variables, log p_Y(y) = log p_Z(z(y)) + log |det ∂z/∂y|.

    Shapes: B items; y (B, *shape), z (B, *shape') with the same number of variables.
    """

    @abstractmethod
    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """y → z, and log |det ∂z/∂y| (B,)."""

    @abstractmethod
    def inverse(self, z: Tensor) -> Tensor:
        """z → y."""

    def prepare(self, y: Tensor) -> None:
        """Look at data y before the first step of training; nothing to see, by default."""


class Chain(Bijection):
    """One after the other: log-determinants add up.

    Args:
        *parts: from data to prior.
    """

    def __init__(self, *parts: Bijection) -> None:
        super().__init__()
        self.parts: Any = nn.ModuleList(parts)

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *shape) → (B, *shape'), (B,)."""
        total = y.new_zeros(len(y))
        for part in self.parts:
            y, log_det = part(y)
            total = total + log_det
        return y, total

    def inverse(self, z: Tensor) -> Tensor:
        """(B, *shape') → (B, *shape)."""
        for part in reversed(self.parts):
            z = part.inverse(z)
        return z

    @torch.no_grad()
    def prepare(self, y: Tensor) -> None:
        """Each sees what those before it make of the data."""
        for part in self.parts:
            part.prepare(y)
            y, _ = part(y)


class Inverse(Bijection):
    """A bijection the other way round.

    Args:
        bijection: whose `inverse` becomes the way from data to prior.
    """

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *shape) → (B, *shape'), (B,)."""
        z = self.bijection.inverse(y)
        return z, -self.bijection(z)[1]

    def inverse(self, z: Tensor) -> Tensor:
        """(B, *shape') → (B, *shape)."""
        return self.bijection(z)[0]
