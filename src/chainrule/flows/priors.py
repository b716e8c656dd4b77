"""The distribution of z: independent variables of one kind."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Prior(nn.Module, ABC):
    """p(z) = ∏_d p(z_d)."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D) nats."""

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """Uniform numbers in [0, 1), float64, → z of the same shape."""


class Normal(Prior):
    """N(0, 1)."""

    def log_prob(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D) nats."""
        return -0.5 * z.square() - 0.5 * math.log(2 * math.pi)

    def quantile(self, u: Tensor) -> Tensor:
        """Φ⁻¹(u)."""
        return torch.special.ndtri(u.clamp(min=torch.finfo(u.dtype).tiny))


class Logistic(Prior):
    """The standard logistic distribution, whose tails are heavier."""

    def log_prob(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D) nats."""
        return -F.softplus(z) - F.softplus(-z)

    def quantile(self, u: Tensor) -> Tensor:
        """log u - log(1 - u)."""
        return torch.logit(u.clamp(min=torch.finfo(u.dtype).tiny))
