"""The yardsticks: every value equally likely, and every variable by itself."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.heads import Categorical
from chainrule.layers import Network, State
from chainrule.models.model import AutoregressiveModel


class Constant(Network):
    """Parameters (T, P) that read nothing."""

    def __init__(self, sites: int, size: int) -> None:
        super().__init__()
        self.params = nn.Parameter(torch.zeros(sites, size))

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        return self.params.expand(len(sites), -1, -1)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """Nothing to remember."""
        return ()

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """Row t."""
        return self.params.index_select(0, t.reshape(1)).expand(len(prev), -1), state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """The first n rows."""
        return self.params[: sites.shape[1]].expand(len(sites), -1, -1), state

    def connectivity(self, length: int) -> Tensor:
        """No connection."""
        return torch.zeros(length, length, dtype=torch.bool)


class Uniform(AutoregressiveModel):
    """p(x) = ∏_d 1 / levels_d.

    Example:
        >>> x = torch.zeros(1, 1, 8, 8, dtype=int)
        >>> round(Uniform(Domain.image(1, 8, 8, levels=17)).log_prob(x).item(), 2)
        -181.33
    """

    closed_form = True

    def __init__(self, domain: Domain) -> None:
        head = Categorical(domain.max_levels)
        network = Constant(domain.size, head.size)
        network.params.requires_grad_(False)
        super().__init__(network, domain, head)

    def estimate(self, x: Tensor) -> None:
        """Nothing to estimate: the data is only checked."""
        self.domain.check(x)


class Independent(AutoregressiveModel):
    """p(x) = ∏_d p(x_d), each a table of counts with `smoothing` added to every level (Laplace)."""

    closed_form = True

    def __init__(self, domain: Domain, *, smoothing: float = 1.0) -> None:
        head = Categorical(domain.max_levels)
        super().__init__(Constant(domain.size, head.size), domain, head)
        self.smoothing = smoothing

    @torch.no_grad()
    def estimate(self, x: Tensor) -> None:
        """Count the levels of each variable of x (N, *event_shape)."""
        values = self.ordering.flatten(self.domain.check(x))
        counts = torch.stack([(values == level).sum(0) for level in range(self.head.levels)], dim=-1)
        self.network.params.copy_((counts + self.smoothing).log())
