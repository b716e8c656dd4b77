"""Generalised Pareto tails, fitted to what lies beyond a knot: S(t) = (1 + ξ t / β)^(-1/ξ)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LIGHTEST, HEAVIEST = 1e-3, 3.0  # ξ of a tail that does not end
POWERS = (0.3, 30.0)  # α of one that does: S(t) = (1 - t / end)^α
MOST = 5000  # exceedances that are looked at, evenly spread over all
PRIOR = 2.0  # log-density of ξ falls by so much per unit


class Tail(NamedTuple):
    """A tail: ξ, and 1 / β, which is the slope of the map where the tail begins."""

    shape: float
    slope: float


def ended(beyond: Tensor, end: float) -> Tail:
    """One that ends at a distance: α by maximum likelihood, with one row at the α of a uniform density."""
    logs = -torch.log1p(-(beyond / end).clamp(max=1 - 1e-9))
    power = min(max((len(beyond) + 1) / (float(logs.sum()) + 1), POWERS[0]), POWERS[1])
    return Tail(-1 / power, power / end)


def geometric(cells: Tensor, width: float) -> Tail:
    """One over few cells of a grid, counted from 0: each has the same share of what is left."""
    rows, total = len(cells), float(cells.sum())
    return Tail(LIGHTEST, math.log((rows + total + 1.0) / (total + 0.2)) / width)


def open_ended(beyond: Tensor, scale: float) -> Tail:
    """One that does not end, by the mean of θ = ξ / β over its profile likelihood.

    Args:
        beyond: (n,) > 0, rising.
        scale: β where there are no rows.

    References:
        Zhang, Stephens (2009), "A new and efficient estimation method for the generalized Pareto distribution".
    """
    beyond = beyond[beyond > 0]
    if len(beyond) < 2:
        return Tail(0.1, 1 / max(float(beyond.sum()), scale * 1e-3) if len(beyond) else 1 / scale)
    n = len(beyond)
    if n > MOST:
        beyond = beyond[torch.linspace(0, n - 1, MOST, dtype=torch.float64).long()]
    middle = beyond[len(beyond) // 2]
    theta = torch.logspace(-4, 4, 100, dtype=torch.float64) / middle
    shapes = torch.log1p(theta[:, None] * beyond).mean(1)
    log_p = -len(beyond) * ((shapes / theta).log() + shapes + 1) - PRIOR * shapes
    weights = torch.softmax(log_p, 0)
    best = float((weights * theta.log()).sum().exp())
    shape = float(torch.log1p(best * beyond).mean())
    return Tail(min(max(shape, LIGHTEST), HEAVIEST), best / shape)
