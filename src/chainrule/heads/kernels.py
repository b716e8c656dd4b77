"""The families of densities that mixtures are made of, each of location 0 and scale 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Standard deviations outside are read as these: a constant column has a finite density, and a bin a mass.
LOG_SCALES = (-7.0, 12.0)


class Kernel(NamedTuple):
    """A density, and its draws.

    Attributes:
        log_density: z → nats.
        cdf: z → the probability below; all are symmetric.
        inverse_cdf: u in (0, 1), float64 → z.
        spread: temperature T → the factor of the scale under which the density is ∝ density^(1/T); of the logistic,
            far from its mean.
    """

    log_density: Callable[[Tensor], Tensor]
    cdf: Callable[[Tensor], Tensor]
    inverse_cdf: Callable[[Tensor], Tensor]
    spread: Callable[[float], float]


def _laplace(u: Tensor) -> Tensor:
    return torch.where(u < 0.5, torch.log(2 * u), -torch.log(2 * (1 - u)))


def _laplace_cdf(z: Tensor) -> Tensor:
    return torch.where(z < 0, 0.5 * torch.exp(-z.abs()), 1 - 0.5 * torch.exp(-z.abs()))


KERNELS = {
    "gaussian": Kernel(
        lambda z: -0.5 * z.square() - 0.5 * math.log(2 * math.pi),
        torch.special.ndtr,
        torch.special.ndtri,
        math.sqrt,
    ),
    "laplace": Kernel(lambda z: -z.abs() - math.log(2), _laplace_cdf, _laplace, lambda t: t),
    "logistic": Kernel(lambda z: -z - 2 * F.softplus(-z), torch.sigmoid, torch.logit, lambda t: t),
}
