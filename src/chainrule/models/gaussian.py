"""One multivariate normal, written as an autoregressive model."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import BinnedGaussian, Gaussian
from chainrule.layers import MaskedLinear, State, strictly_lower, write_at
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import ClosedForm
from chainrule.networks import Network

ENOUGH = 5  # rows a variable, from which on a covariance is taken as it is


class LinearRegression(Network):
    """Each variable's mean is linear in those before it; its scale is a constant.

    The factor of any normal: with Σ = L Lᵀ, x_d | x_<d has mean μ_d + Σ_{j<d} w_dj (x_j - μ_j) and scale L_dd.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean = MaskedLinear(strictly_lower(size))
        nn.init.zeros_(self.mean.weight)
        nn.init.zeros_(self.mean.bias)
        self.log_scale = nn.Parameter(torch.zeros(size))

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, D, 1) → (B, D, 2)."""
        mean = self.mean(sites[..., 0].to(self.log_scale.dtype))
        return torch.stack([mean, self.log_scale.expand_as(mean)], dim=-1)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The values so far (B, D, 1), zero where not drawn."""
        return torch.zeros(batch, self.mean.in_features, 1, device=device, dtype=dtype)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, 2): one row of the regression."""
        prev = torch.where(t > 0, prev.to(state.dtype), torch.zeros_like(state[:, 0]))
        state = write_at(state, torch.clamp(t - 1, min=0), prev)
        mean = self.mean.rows(state[..., 0], t.reshape(1))
        return torch.cat([mean, self.log_scale.index_select(0, t.reshape(1)).expand_as(mean)], dim=-1), state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, 2)."""
        n = sites.shape[1]
        state = torch.cat([sites.to(state.dtype), state[:, n:]], dim=1)
        return self(state)[:, :n], state


class MultivariateGaussian(ClosedForm, AutoregressiveModel):
    """N(μ, Σ) of the training data.

    On levels it is exact too: each conditional of the normal fitted to dequantised data (Σ plus 1/12, the variance
    of uniform noise over a bin) is integrated over the levels' bins.

    Args:
        ridge: added to the variances, relative to their mean (reals are divided by their standard deviations
            first), so that constant columns do no harm.

    With fewer than 5 rows a variable a covariance fits its rows, not the next ones. It is then shrunk towards equal
    variances without correlations, by as much as Ledoit and Wolf (2004), "A well-conditioned estimator for
    large-dimensional covariance matrices", find best.
    """

    def __init__(self, domain: Domain, *, ridge: float = 1e-4) -> None:
        if domain.lengths != "fixed":
            raise DomainError(f"gaussian: expected items of one length, got {domain}")
        if domain.columns or isinstance(domain.levels, tuple):
            raise DomainError(f"gaussian: expected reals, or the same levels for all variables, got {domain}")
        if not ridge >= 0:
            raise ChainruleError(f"ridge: expected a number ≥ 0, got {ridge}")
        head = BinnedGaussian(domain.max_levels) if isinstance(domain.levels, int) else Gaussian()
        super().__init__(LinearRegression(domain.size), domain, head)
        self.ridge = ridge

    @torch.no_grad()
    def estimate(self, x: Tensor) -> None:
        """Regress each variable of x (N, *event_shape) on those before it, by one Cholesky factor."""
        x = self.domain.check(x)
        if self.units is not None:
            for d, column in enumerate(x.flatten(1).double().unbind(1)):
                spread = column.std(correction=0) if column.min() < column.max() else column.new_zeros(())
                self.units.keep(d, column.mean(), spread)
            x = self.units.standardise(x.flatten(1), torch.float64).unflatten(1, self.domain.event_shape)
        values = self.ordering.flatten(x).double()
        mean = values.mean(0)
        centred = values - mean
        covariance = _covariance(centred)
        diagonal = covariance.diagonal()
        diagonal += self.ridge * (diagonal.mean() if diagonal.mean() > 0 else 1.0)
        if self.domain.discrete:
            diagonal += 1 / 12
        factor = torch.linalg.cholesky(covariance)
        scale = factor.diagonal()
        # x = μ + L e: solving L⁻¹ row by row gives the regression of each variable on those before.
        whiten = torch.linalg.solve_triangular(
            factor, torch.eye(len(factor), dtype=factor.dtype), upper=False
        )
        weight = -(scale[:, None] * whiten).tril(-1)
        self.network.mean.weight.copy_(weight)
        self.network.mean.bias.copy_(mean - weight @ mean)
        self.network.log_scale.copy_(scale.log())


def _covariance(centred: Tensor) -> Tensor:
    """(N, D) → (D, D), shrunk where rows are few."""
    rows, size = centred.shape
    if not 1 < rows < ENOUGH * size or size == 1:
        return centred.T @ centred / max(rows, 1)
    from sklearn.covariance import ledoit_wolf

    return torch.from_numpy(ledoit_wolf(centred.numpy(), assume_centered=True)[0])
