"""What a rollout needs of whatever runs its steps."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

import torch
from torch import Tensor

from chainrule.layers import State


class Incremental(Protocol):
    """The incremental mode: a model itself is the eager runner; a compiled one wraps the same three verbs.

    A runner owns where its state lives (static buffers for a CUDA graph, arrays for native code); the rollout
    only hands back what it was given.
    """

    def init_state(
        self, batch: int, *, cond: Tensor | None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The state before site 0."""

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """Absorb the first n sites (B, n, V) at once."""

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable) -> tuple[Tensor, State]:
        """The parameters of site t (B, P)."""
