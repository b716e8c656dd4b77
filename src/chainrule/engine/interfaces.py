"""What a rollout needs of whatever runs its steps."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.errors import ChainruleError
from chainrule.layers import State


class Unsupported(ChainruleError):
    """Why a runner cannot run a model's steps."""


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


@runtime_checkable
class Loop(Incremental, Protocol):
    """A runner that does not only single steps, but a rollout's whole loop."""

    def loop(
        self, choose: Choice, values: Tensor, state: State, *, first: int, terms: Tensor | None = None
    ) -> None:
        """Draw sites first … n-1 of `values` (B, n, V), and their log-probabilities (B, n, V) into `terms`."""


class ModelSteps:
    """A model's own single steps: what a runner has that does whole loops in another way.

    Args:
        model: an `engine.rollout.Stepwise`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def init_state(
        self, batch: int, *, cond: Tensor | None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The model's own."""
        return self.model.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """The model's own."""
        return self.model.prefill(sites, state)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable) -> tuple[Tensor, State]:
        """The model's own."""
        return self.model.step(prev, state, t, phase=phase)
