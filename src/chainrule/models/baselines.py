"""The yardsticks: every value equally likely, and every variable by itself."""

from __future__ import annotations

import math
from collections.abc import Hashable

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.heads import (
    BinnedMixture,
    Categorical,
    ColumnHeads,
    FactoredCategorical,
    Head,
    MaybeMissing,
    NumberHead,
    vector_head,
)
from chainrule.heads.kernels import LOG_SCALES
from chainrule.layers import State
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import ClosedForm
from chainrule.networks import Network

# The scale of a logistic whose standard deviation is 1.
LOGISTIC = math.sqrt(3) / math.pi


class Constant(Network):
    """Parameters (T, P) that read nothing."""

    def __init__(self, sites: int, size: int) -> None:
        super().__init__()
        self.params = nn.Parameter(torch.zeros(sites, size))

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        return self.params.expand(sites.shape[0], -1, -1)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """Nothing to remember."""
        return ()

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """Row t."""
        return self.params.index_select(0, t.reshape(1)).expand(prev.shape[0], -1), state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """The first n rows."""
        return self.params[: sites.shape[1]].expand(sites.shape[0], -1, -1), state

    @property
    def receptive_field(self) -> int:
        """No connection."""
        return 0


class Uniform(ClosedForm, AutoregressiveModel):
    """p(x) = ∏_d 1 / levels_d.

    Example:
        >>> x = torch.zeros(1, 1, 8, 8, dtype=int)
        >>> round(Uniform(Domain.image(1, 8, 8, levels=17)).log_prob(x).item(), 2)
        -181.33
    """

    def __init__(self, domain: Domain) -> None:
        head = Categorical(domain.max_levels)
        network = Constant(domain.size, head.size)
        network.params.requires_grad_(False)
        super().__init__(network, domain, head)

    def estimate(self, x: Tensor) -> None:
        """Nothing to estimate: the data is only checked."""
        self.domain.check(x)


class Independent(ClosedForm, AutoregressiveModel):
    """p(x) = ∏_d p(x_d).

    Levels and missing cells are counted, with `smoothing` added to each outcome (Laplace). A real is a normal of the
    column's mean and variance, no narrower than e^-7 of its scale; a whole number a logistic of the same, over bins.
    A number column is what its map says: a smoothed empirical distribution, with points and lattices.

    Args:
        smoothing: added to the count of each outcome.
    """

    def __init__(self, domain: Domain, *, smoothing: float = 1.0) -> None:
        head = (
            Categorical(domain.max_levels)
            if domain.discrete
            else vector_head(domain, Ordering(domain).variables.tolist(), components=1, kernel="gaussian")
        )
        super().__init__(Constant(domain.size, head.size), domain, head)
        self.smoothing = smoothing

    @torch.no_grad()
    def estimate(self, x: Tensor) -> None:
        """Look at each variable of x (N, *event_shape) by itself."""
        self.prepare(x)
        values = self.to_sites(self.domain.check(x))[..., 0]
        for t, column in enumerate(values.unbind(1)):
            own = self.head.at(t)
            if isinstance(own, NumberHead | FactoredCategorical):  # the marginal that `prepare` found
                self.network.params[t] = 0
                continue
            params = self._params_of(own, column).to(self.dtype)
            start = self.head.offset[t, : len(params)] if isinstance(self.head, ColumnHeads) else 0
            self.network.params[t, : len(params)] = params - start

    def _params_of(self, head: Head, values: Tensor) -> Tensor:
        """The parameters (P,) of one variable's head, from the values (N,) of its site."""
        if isinstance(head, Categorical):
            there = values[values >= 0].long()  # not those after the end of an item, nor missing cells
            counts = torch.bincount(there, minlength=head.levels)[: head.levels]
            return (counts + self.smoothing).log()
        missing = values.isnan()
        there = values[~missing].double()
        if isinstance(head, MaybeMissing):
            odds = (missing.sum() + self.smoothing) / (len(there) + self.smoothing)
            return torch.cat([odds.log().reshape(1), self._params_of(head.head, there)])
        mean = there.mean() if len(there) else torch.zeros((), dtype=torch.float64)
        deviation = (there - mean).square().mean().sqrt() if len(there) else torch.ones_like(mean)
        if isinstance(head, BinnedMixture):
            deviation = deviation * LOGISTIC
        return torch.stack([mean, deviation.log().clamp(min=LOG_SCALES[0])])
