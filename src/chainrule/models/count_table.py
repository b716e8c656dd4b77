"""The tabular chain rule: count what follows what."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Categorical
from chainrule.layers import State
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import ClosedForm
from chainrule.networks import Network

MOST_ENTRIES = 2**26


class Table(Network):
    """Logits (T, K^k, K): one row for each position and each content of the k values before it."""

    places: Tensor

    def __init__(self, length: int, levels: int, memory: int) -> None:
        super().__init__()
        self.levels, self.memory = levels, memory
        self.logits = nn.Parameter(torch.zeros(length, levels**memory, levels))
        # Weights of the k values before, oldest first, in the number that their content spells.
        places = levels ** torch.arange(memory - 1, -1, -1)
        self.register_buffer("places", places, persistent=False)

    def contexts(self, sites: Tensor) -> Tensor:
        """(B, T, 1) → (B, T) the number spelt by the k values before each site; zeros before the start."""
        padded = torch.nn.functional.pad(sites[..., 0], (self.memory, 0))
        windows = (
            padded.unfold(1, self.memory, 1)[:, : sites.shape[1]]
            if self.memory
            else padded[..., None][..., :0]
        )
        return (windows * self.places).sum(-1)

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, 1) → (B, T, K)."""
        positions = torch.arange(sites.shape[1], device=sites.device)
        return self.logits[positions, self.contexts(sites)]

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The k values before (B, k), zeros before the start."""
        return torch.zeros(batch, self.memory, device=device, dtype=torch.int64)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, K)."""
        prev = torch.where(t > 0, prev, torch.zeros_like(prev))
        state = torch.cat([state, prev], dim=1)[:, 1:].contiguous() if self.memory else state
        rows = self.logits.index_select(0, t.reshape(1))[0]
        return rows.index_select(0, (state * self.places).sum(-1)), state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, K); the step that follows appends site n-1 itself."""
        before = torch.cat([state, sites[:, :-1, 0]], dim=1)
        return self(sites), before[:, before.shape[1] - self.memory :].contiguous()

    @property
    def receptive_field(self) -> int:
        """The k sites before."""
        return self.memory


class CountTable(ClosedForm, AutoregressiveModel):
    """p(x_d | x_{d-1} … x_{d-k}) by counting, a table for each position d.

    Counts are smoothed towards the table of one value less of memory, and that one likewise, down to the uniform
    distribution: p_k = (n(context, x) + α p_{k-1}(x)) / (n(context) + α). With memory D-1 it is the chain rule in full.

    Args:
        memory: k.
        smoothing: α; the number of levels by default, one count for each (Laplace).
        ordering: of the variables.

    References:
        MacKay, Peto (1995), "A hierarchical Dirichlet language model".
    """

    def __init__(
        self,
        domain: Domain,
        *,
        memory: int = 1,
        smoothing: float | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        levels = domain.max_levels
        smoothing = levels if smoothing is None else smoothing
        if not smoothing > 0:
            raise ChainruleError(f"smoothing: expected a number > 0, got {smoothing}")
        memory = min(memory, domain.size - 1)
        if domain.size * levels ** (memory + 1) > MOST_ENTRIES:
            raise DomainError(
                f"count-table: {domain.size}·{levels}^{memory + 1} entries are over {MOST_ENTRIES}; lower memory"
            )
        head = Categorical(levels)
        super().__init__(Table(domain.size, levels, memory), domain, head, ordering=ordering)
        self.smoothing = smoothing

    @torch.no_grad()
    def estimate(self, x: Tensor) -> None:
        """Count contexts and values in x (N, *event_shape)."""
        table: Any = self.network
        sites = self.to_sites(self.domain.check(x))
        length, _, levels = table.logits.shape
        whole = table.contexts(sites)
        probs = self._allowed(length, levels)
        for k in range(table.memory + 1):
            context = whole % levels**k  # the k values nearest
            key = (torch.arange(length) * levels**k + context) * levels + sites[..., 0]
            counts = torch.bincount(key.flatten(), minlength=length * levels ** (k + 1))
            counts = counts.reshape(length, levels**k, levels).double()
            # The context of k values ends with that of k-1: repeat its row for every older value.
            prior = probs if k == 0 else probs.repeat(1, levels, 1)
            smoothed = (counts + self.smoothing * prior) / (counts.sum(-1, keepdim=True) + self.smoothing)
            # The first k positions have no more values before them than the last round saw.
            probs = torch.where(torch.arange(length)[:, None, None] < k, prior, smoothed)
        table.logits.copy_(torch.where(probs > 0, probs.log(), 0.0))  # the others are forbidden anyway

    def _allowed(self, length: int, levels: int) -> Tensor:
        """(T, 1, K): uniform over the levels each column has."""
        own = self.ordering.flatten(torch.tensor(self.domain.levels_per_variable)[None])[0]
        return ((torch.arange(levels) < own[:, None]).double() / own[:, None])[:, None]
