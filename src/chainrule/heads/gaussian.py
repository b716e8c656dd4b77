"""Normal conditionals: for reals as they are, for levels integrated over each level's bin."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.heads.conditional import Conditional, Normal, Table
from chainrule.heads.head import Head
from chainrule.layers.state import State

# Standard deviations outside are read as these: a constant column has a finite density, and a bin a mass.
LOG_SCALES = (-7.0, 12.0)


class Gaussian(Head):
    """x ~ N(m, s²) with parameters (m, log s); log s is clamped to [-7, 12] (s ≥ 9.1e-4).

    Example:
        >>> Gaussian().log_prob(torch.zeros(1, 2), torch.zeros(1, 1))
        tensor([[-0.9189]])
    """

    variables, size, levels = 1, 2, None

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, 2), (…, 1) → (…, 1) nats."""
        return _normal(params).log_prob(x[..., 0])[..., None]

    def init_state(self, params: Tensor) -> State:
        """The parameters."""
        return params

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
        self.levels = levels

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, 2), (…, 1) → (…, 1) nats."""
        return Table(self._log_masses(params)).log_prob(x[..., 0])[..., None]

    def init_state(self, params: Tensor) -> State:
        """The table of log-masses (B, K)."""
        return self._log_masses(params)

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The table."""
        return Table(state), state

    def _log_masses(self, params: Tensor) -> Tensor:
        normal = _normal(params.double())  # a narrow bin is a small difference of large numbers
        edges = torch.arange(1, self.levels, device=params.device, dtype=torch.float64) - 0.5
        z = (edges - normal.mean[..., None]) / normal.scale[..., None]
        # A mass is a difference of Φ. In the upper tail both are near 1: take it between the upper tails there.
        below, above = torch.special.log_ndtr(z), torch.special.log_ndtr(-z)
        lower_half = z[..., 1:] + z[..., :-1] < 0
        larger = torch.where(lower_half, below[..., 1:], above[..., :-1])
        smaller = torch.where(lower_half, below[..., :-1], above[..., 1:])
        inner = larger + torch.log(-torch.expm1(smaller - larger))
        return torch.cat([below[..., :1], inner, above[..., -1:]], dim=-1).to(params.dtype)


def _normal(params: Tensor) -> Normal:
    mean, log_scale = params.unbind(-1)
    return Normal(mean, log_scale.clamp(*LOG_SCALES).exp())
