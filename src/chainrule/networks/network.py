"""The interface between a model and its net.

A network maps the sites of an item to the parameters of their conditionals, in two modes: `forward` all at once,
`step` one site at a time. A *site* is what the network emits at once: a variable, a pixel, a time step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.layers.condition import Condition
from chainrule.layers.state import State


class Network(nn.Module, ABC):
    """A strictly causal net: the parameters of site t come from the sites before t.

    Shapes: B items, T sites, V variables a site, P parameters a site.

    Args:
        condition: what items are conditioned on; the absent condition by default.
    """

    def __init__(self, condition: Condition | None = None) -> None:
        super().__init__()
        self.condition = Condition(0) if condition is None else condition

    @abstractmethod
    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""

    @abstractmethod
    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The state before site 0 of items of at most `length` sites; the condition enters here."""

    @abstractmethod
    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """The site before t (B, V), not read at t = 0 → the parameters of site t (B, P), and the state.

        `t` is a 0-d integer tensor, shared by the batch; `phase` is the constant that `schedule` gives site t.
        """

    @abstractmethod
    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """Sites 0 … n-1 at once, from a fresh state: (B, n, V) → their parameters (B, n, P), and the state.

        The next `step` is that of site n, with site n-1 as its `prev`.
        """

    @property
    def supports_streaming(self) -> bool:
        """Whether steps may go on beyond the `length` of their state, in constant memory; False by default.

        They then have the phase of the last site within it.
        """
        return False

    @property
    def prefill_multiple(self) -> int | None:
        """`prefill` of a multiple of this number is a parallel pass over these sites alone; None if it costs all."""
        return None

    @property
    def encoder(self) -> nn.Module | None:
        """The module through which values enter, by whose output the influence of each site is measured."""
        return None

    @property
    def depths(self) -> dict[str, nn.Module]:
        """The layers by name, from the lowest up; the output of each is its features at every site.

        By default the part called `first`, if there is one, and what has parameters in the outermost list of modules.
        """
        lists = [
            (name.count("."), module)
            for name, module in self.named_modules()
            if isinstance(module, nn.ModuleList) and not name.startswith("first.")
        ]
        listed: Any = min(lists, key=lambda found: found[0])[1] if lists else ()
        first = [module for name, module in self.named_children() if name == "first"]
        return numbered([*first, *(layer for layer in listed if any(True for _ in layer.parameters()))])

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The phase of each of `length` sites: which kind of work its step does. One kind, by default."""
        return [None] * length

    @property
    def receptive_field(self) -> int | None:
        """How many sites before a site its parameters can come from; None, the default, if that is not bounded."""
        return None

    def connectivity(self, length: int) -> Tensor:
        """Which sites each site reads, as (T, T) booleans [reader, read]; all before it in reach, by default."""
        before = torch.ones(length, length, dtype=torch.bool).tril(-1)
        return before if self.receptive_field is None else before.triu(-self.receptive_field)


def numbered(layers: Iterable[nn.Module]) -> dict[str, nn.Module]:
    """Layers by "layer 1", "layer 2", …"""
    return {f"layer {i}": layer for i, layer in enumerate(layers, start=1)}
