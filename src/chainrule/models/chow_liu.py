"""The best tree: each variable reads one other."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Categorical
from chainrule.layers import State, write_at
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import ClosedForm
from chainrule.networks import Network

MOST_PAIRS = 2**26  # entries of the table of pair counts


class Tree(Network):
    """Logits (D, K, K): for each position, one row for each value of its parent, an earlier position."""

    parents: Tensor

    def __init__(self, size: int, levels: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(size, levels, levels))
        # Part of the weights: which tree it is comes from the data. The root's parent is never read.
        self.register_buffer("parents", torch.arange(-1, size - 1).clamp(min=0))

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, D, 1) → (B, D, K)."""
        positions = torch.arange(sites.shape[1], device=sites.device)
        read = sites[..., 0].index_select(1, self.parents[: len(positions)])
        return self.logits[positions, torch.where(positions > 0, read, 0)]

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The values so far (B, D, 1), zero where not drawn."""
        return torch.zeros(batch, len(self.parents), 1, device=device, dtype=torch.int64)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, K)."""
        prev = torch.where(t > 0, prev, torch.zeros_like(prev))
        state = write_at(state, torch.clamp(t - 1, min=0), prev)
        read = state.index_select(1, self.parents.index_select(0, t.reshape(1)))[:, 0, 0]
        # At the root nothing has been drawn, so what is read is the zero it needs.
        return self.logits.index_select(0, t.reshape(1))[0].index_select(0, read), state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, K)."""
        n = sites.shape[1]
        return self(sites), torch.cat([sites, state[:, n:]], dim=1)

    def connectivity(self, length: int) -> Tensor:
        """Each position reads its parent."""
        reads = torch.zeros(length, length, dtype=torch.bool)
        reads[torch.arange(1, length), self.parents[1:].cpu()] = True
        return reads


class ChowLiuTree(ClosedForm, AutoregressiveModel):
    """p(x) = ∏ p(x_d | x_parent(d)), the tree of highest likelihood: maximal mutual information along its edges.

    Estimation chooses the tree and with it the ordering: breadth first from variable 0.

    Args:
        smoothing: added to every cell of each pair's table of counts; the conditionals are those of the tables.
        ordering: of the variables; `estimate` sets it.

    References:
        Chow, Liu (1968), "Approximating discrete probability distributions with dependence trees".
    """

    def __init__(
        self, domain: Domain, *, smoothing: float = 1.0, ordering: str | list[int] = "natural"
    ) -> None:
        if not smoothing > 0:
            raise ChainruleError(f"smoothing: expected a number > 0, got {smoothing}")
        levels = domain.max_levels
        if (domain.size * levels) ** 2 > MOST_PAIRS:
            raise DomainError(f"chow-liu: ({domain.size}·{levels})² pair counts are over {MOST_PAIRS}")
        head = Categorical(levels)
        super().__init__(Tree(domain.size, levels), domain, head, ordering=ordering)
        self.smoothing = smoothing

    @torch.no_grad()
    def estimate(self, x: Tensor) -> None:
        """Choose the tree and fill its tables from x (N, *event_shape)."""
        flat = self.domain.check(x).flatten(1)
        joint = self._pair_probabilities(flat)
        order, parents = _tree(_mutual_information(joint))
        network: Any = self.network
        network.parents.copy_(parents)
        self.ordering = Ordering(self.domain, order.tolist())
        self.hyperparameters = {**self.hyperparameters, "ordering": order.tolist()}
        # (D, K, K): p(parent, child); at the root any row of its own marginal.
        tables = joint[order[parents], :, order]
        tables[0] = joint[order[0], :, order[0]].sum(0)
        network.logits.copy_((tables / tables.sum(-1, keepdim=True)).log())

    def _pair_probabilities(self, flat: Tensor) -> Tensor:
        """(D, K, D, K): smoothed frequencies of each pair of values; a variable with itself on the diagonal."""
        n, size = flat.shape
        levels: int = self.head.levels
        units = (flat[..., None] == torch.arange(levels)).double().reshape(n, size * levels)
        counts = (units.T @ units).reshape(size, levels, size, levels) + self.smoothing
        return counts / (n + self.smoothing * levels**2)


def _mutual_information(joint: Tensor) -> Tensor:
    """(D, D) nats."""
    marginal = joint.sum(3).mean(2)
    independent = marginal[:, :, None, None] * marginal
    return (joint * (joint / independent).log()).sum((1, 3))


def _tree(weights: Tensor) -> tuple[Tensor, Tensor]:
    """The heaviest spanning tree, breadth first from 0: variables in order, and each one's parent's position."""
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    if len(weights) == 1:
        return torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    # A sparse graph takes 0 for no edge: subtracted from more than the largest, every weight is positive.
    costs = weights.max() + 1 - weights
    tree = minimum_spanning_tree(costs.fill_diagonal_(0).numpy())
    order, before = breadth_first_order(tree, 0, directed=False)
    order, before = torch.tensor(order).long(), torch.tensor(before).long()
    position = torch.empty_like(order)
    position[order] = torch.arange(len(order))
    return order, torch.cat([torch.zeros(1, dtype=torch.int64), position[before[order[1:]]]])
