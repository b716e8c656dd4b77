"""Normal conditionals: for reals as they are, for levels integrated over each level's bin."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.devices import widened
from chainrule.heads.conditional import CategoricalConditional, Conditional, Normal
from chainrule.heads.head import Head
from chainrule.heads.kernels import LOG_SCALES
from chainrule.heads.support import REALS, discrete
from chainrule.layers.state import State


class Gaussian(Head):
    """x ~ N(m, s²) with parameters (m, log s); log s is clamped to [-7, 12] (s ≥ 9.1e-4).

    Example:
        >>> Gaussian().log_prob(torch.zeros(1, 2), torch.zeros(1, 1))
        tensor([[-0.9189]])
    """

    variables, size, support = 1, 2, REALS

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, 2), (…, 1) → (…, 1) nats."""
        return _normal(params).log_prob(x[..., 0])[..., None]

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The normal itself."""
        return _normal(state), state


class BinnedGaussian(Head):
    """p(x = l) ∝ Φ((l+½-m)/s) - Φ((l-½-m)/s): a normal integrated over bins, parameters (m, log s).

    The first and last bins reach to -∞ and ∞, so the levels' probabilities sum to 1.

    Args:
        levels: K.
    """

    variables, size = 1, 2

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.support = discrete(levels)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, 2), (…, 1) → (…, 1) nats: the masses of the levels asked for, without the whole table."""
        return self._log_mass(params, x)

    def init_state(self, params: Tensor) -> State:
        """The table of log-masses (B, K)."""
        return self._log_mass(params, torch.arange(self.levels, device=params.device))

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The table."""
        return CategoricalConditional(state), state

    def _log_mass(self, params: Tensor, level: Tensor) -> Tensor:
        """(…, 2) and levels (…, n) → (…, n) nats: log(Φ(high) - Φ(low)), in float64."""
        normal = _normal(widened(params))  # a narrow bin is a small difference of large numbers
        mean, scale = normal.mean[..., None], normal.scale[..., None]
        low, high = (level - 0.5 - mean) / scale, (level + 0.5 - mean) / scale
        # In the upper tail both Φ are near 1: the difference is taken between the upper tails there.
        flip = low + high > 0
        below, above = torch.where(flip, -high, low), torch.where(flip, -low, high)
        smaller, larger = torch.special.log_ndtr(below), torch.special.log_ndtr(above)
        mass = larger + torch.log(-torch.expm1(smaller - larger))
        # The outer bins have no outer edge; with one level, there is no edge at all.
        first, last = level == 0, level == self.levels - 1
        mass = torch.where(first, torch.special.log_ndtr(high), mass)
        mass = torch.where(last, torch.special.log_ndtr(-low), mass)
        return torch.where(first & last, torch.zeros_like(mass), mass).to(params.dtype)


def _normal(params: Tensor) -> Normal:
    mean, log_scale = params.unbind(-1)
    return Normal(mean, log_scale.clamp(*LOG_SCALES).exp())
