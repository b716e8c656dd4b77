"""A step for any strictly causal module."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor, nn

from chainrule.layers.state import State, write_at
from chainrule.networks.network import Network


class Replay(Network):
    """A step for any strictly causal module: keep the sites seen and run all of it again. Slow and right.

    Args:
        module: maps sites (B, T, V) to parameters (B, T, P), site t from those before it.
        variables: V.
        real: whether the sites are floats rather than integers.
    """

    def __init__(self, module: nn.Module, *, variables: int, real: bool) -> None:
        super().__init__()
        self.module, self.variables, self.real = module, variables, real

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        return self.module(sites)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The sites seen (B, T, V): none yet."""
        kind = dtype if self.real else torch.int64
        return torch.zeros(batch, length, self.variables, device=device, dtype=kind)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, V) → (B, P), by a whole pass."""
        # At t = 0 this writes what was there: `prev` is not read.
        prev = torch.where(t > 0, prev, state[:, 0])
        state = write_at(state, torch.clamp(t - 1, min=0), prev)
        return self.module(state).index_select(1, t.reshape(1))[:, 0], state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, V) → (B, n, P)."""
        n = sites.shape[1]
        state = torch.cat([sites, state[:, n:]], dim=1)
        return self.module(state)[:, :n], state
