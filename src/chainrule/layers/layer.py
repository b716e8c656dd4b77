"""The interface of a causal layer, and the two combinators that thread its state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.layers.state import State


class CausalLayer(nn.Module, ABC):
    """A map of sequences whose output at t reads inputs at ≤ t only.

    A subclass gives `forward` for whole sequences, and `init_state` and `step` for one position at a time;
    `testing.check_layer` proves that they agree.
    """

    @property
    @abstractmethod
    def receptive_field(self) -> int | None:
        """How many positions before its own an output reads; None if all of them."""

    @property
    def supports_streaming(self) -> bool:
        """Whether steps may go on beyond the `length` of their state, in constant memory; False by default."""
        return False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C')."""

    @abstractmethod
    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """The state before position 0 of sequences of at most `length`."""

    @abstractmethod
    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, C) at position t (a 0-d integer tensor) → (B, C') and the state after it."""

    @abstractmethod
    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Positions 0 … n-1 at once, from a fresh state: (B, n, C) → (B, n, C') and the state after them."""


class Pointwise(CausalLayer):
    """Any module that treats every position alike: an activation, a norm, a linear map, dropout.

    Args:
        module: maps (…, C) to (…, C').
    """

    receptive_field = 0
    supports_streaming = True

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) → (…, C')."""
        return self.module(x)

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """Nothing to remember."""
        return ()

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """The same map."""
        return self.module(x), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The same map."""
        return self.module(x), state


class Serial(CausalLayer):
    """Layers one after another; the state is the tuple of theirs."""

    def __init__(self, *layers: CausalLayer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    @property
    def receptive_field(self) -> int | None:
        """The sum of the layers' receptive fields."""
        reaches: list[Any] = [layer.receptive_field for layer in self.layers]
        return None if None in reaches else sum(reaches)

    @property
    def supports_streaming(self) -> bool:
        """Whether all layers are."""
        return all(layer.supports_streaming for layer in self.layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C')."""
        for layer in self.layers:
            x = layer(x)
        return x

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """One state per layer."""
        return tuple(
            layer.init_state(batch, length=length, device=device, dtype=dtype) for layer in self.layers
        )

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """Each layer's step in turn."""
        after = []
        for layer, before in zip(self.layers, state, strict=True):
            x, new = layer.step(x, before, t)
            after.append(new)
        return x, tuple(after)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Each layer's prefill in turn."""
        after = []
        for layer, before in zip(self.layers, state, strict=True):
            x, new = layer.prefill(x, before)
            after.append(new)
        return x, tuple(after)
