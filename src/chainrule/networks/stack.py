"""A stack of causal layers over a strict input: most of the field's sequence nets."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from chainrule.layers.condition import Condition
from chainrule.layers.layer import CausalLayer, Serial
from chainrule.layers.state import State
from chainrule.layers.strict_input import StrictInput
from chainrule.layers.symbols import Symbols
from chainrule.networks.network import Network, numbered


class StackState(NamedTuple):
    """The state of a `Stack`: the condition's features, () if there are none, and those of its two parts."""

    cond: State
    first: State
    body: State


class Stack(Network):
    """Strict input → first layer → + condition → more layers: most of the field's sequence nets.

    Args:
        input: the strict input.
        first: the causal layer that widens the input to C channels.
        body: causal layers from C channels to P.
        condition: features (B, C) of what the item is conditioned on.
    """

    def __init__(
        self, input: StrictInput | Symbols, first: CausalLayer, body: CausalLayer, condition: Condition
    ) -> None:
        super().__init__(condition)
        self.input, self.first, self.body = input, first, body

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        added = self.condition(cond, sites.shape[0])
        features = self.first(self.input(sites))
        return self.body(features if added is None else features + added[:, None])

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The condition's features and the layers' states."""
        added = self.condition(cond, batch)
        first, body = (
            part.init_state(batch, length=length, device=device, dtype=dtype) for part in self._parts()
        )
        return StackState(() if added is None else added, first, body)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, V) → (B, P)."""
        features, first = self.first.step(self.input.step(prev, t), state.first, t)
        if isinstance(state.cond, Tensor):
            features = features + state.cond
        params, body = self.body.step(features, state.body, t)
        return params, StackState(state.cond, first, body)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, V) → (B, n, P)."""
        features, first = self.first.prefill(self.input(sites), state.first)
        if isinstance(state.cond, Tensor):
            features = features + state.cond[:, None]
        params, body = self.body.prefill(features, state.body)
        return params, StackState(state.cond, first, body)

    @property
    def receptive_field(self) -> int | None:
        """The layers' together, plus one for the strict input."""
        reaches: list[Any] = [part.receptive_field for part in self._parts()]
        return None if None in reaches else 1 + sum(reaches)

    @property
    def supports_streaming(self) -> bool:
        """Whether both parts are."""
        return all(part.supports_streaming for part in self._parts())

    @property
    def prefill_multiple(self) -> int:
        """A site."""
        return 1

    @property
    def encoder(self) -> nn.Module:
        """The encoder of the strict input."""
        return self.input.encoder

    @property
    def depths(self) -> dict[str, nn.Module]:
        """The first layer, and those of the body that look back."""
        body: Any = self.body.layers if isinstance(self.body, Serial) else [self.body]
        return numbered([self.first, *(layer for layer in body if layer.receptive_field != 0)])

    def _parts(self) -> tuple[CausalLayer, CausalLayer]:
        return self.first, self.body
