"""The normals of latent variables."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.devices import at_least_float32

LOG_SCALES = (-6.0, 3.0)  # standard deviations outside are read as these: every weight is finite
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class LatentNormal(NamedTuple):
    """N(mean, diag e^(2 log_scale)) over Z numbers; both (…, Z)."""

    mean: Tensor
    log_scale: Tensor

    @classmethod
    def of(cls, params: Tensor) -> LatentNormal:
        """Build from the output of a net, (…, 2Z), in single precision at least."""
        mean, log_scale = at_least_float32(params).chunk(2, dim=-1)
        return cls(mean, log_scale.clamp(*LOG_SCALES))

    def draw(self, noise: Tensor) -> Tensor:
        """The value that standard normal noise (…, Z) stands for, with a gradient."""
        return self.mean + self.log_scale.exp() * noise

    def log_density(self, z: Tensor) -> Tensor:
        """(…, Z) → (…,) nats."""
        standard = (z - self.mean) * torch.exp(-self.log_scale)
        return -(0.5 * standard.square() + self.log_scale + HALF_LOG_2PI).sum(-1)

    def divergence(self, other: LatentNormal) -> Tensor:
        """KL(self ‖ other), (…,) nats."""
        narrower = self.log_scale - other.log_scale
        distance = (self.mean - other.mean) * torch.exp(-other.log_scale)
        return (0.5 * (distance.square() + torch.exp(2 * narrower) - 1) - narrower).sum(-1)

    def times(self, other: LatentNormal) -> LatentNormal:
        """The normal ∝ the product of both densities: means weighted by precision.

        References:
            Sønderby et al. (2016), "Ladder variational autoencoders", eq. 14-16, https://arxiv.org/abs/1602.02282
        """
        share = torch.sigmoid(2 * (other.log_scale - self.log_scale))
        log_scale = -0.5 * torch.logaddexp(-2 * self.log_scale, -2 * other.log_scale)
        return LatentNormal(torch.lerp(other.mean, self.mean, share), log_scale)
