"""The interface between a model and its net, and the two ways to get a net that has it.

A network maps the sites of an item to the parameters of their conditionals, in two modes: `forward` all at once,
`step` one site at a time. A *site* is what the network emits at once: a variable, a pixel, a time step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from chainrule.layers.condition import Condition
from chainrule.layers.layer import CausalLayer, Serial
from chainrule.layers.state import State, write_at
from chainrule.layers.strict_input import StrictInput


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
    def unbounded(self) -> bool:
        """Whether steps may go on behind the `length` of their state, in no more memory; not so by default.

        They then have the phase of the last site within it.
        """
        return False

    @property
    def grain(self) -> int | None:
        """`prefill` of a multiple of so many sites is a parallel pass over these alone; None if it costs the whole."""
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
        return _numbered([*first, *(layer for layer in listed if any(True for _ in layer.parameters()))])

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The phase of each of `length` sites: which kind of work its step does. One kind, by default."""
        return [None] * length

    @property
    def reach(self) -> int | None:
        """How many sites before a site its parameters can come from; None, the default, if that is not bounded."""
        return None

    def connectivity(self, length: int) -> Tensor:
        """Which sites each site reads, as (T, T) booleans [reader, read]; all before it in reach, by default."""
        before = torch.ones(length, length, dtype=torch.bool).tril(-1)
        return before if self.reach is None else before.triu(-self.reach)


def _numbered(layers: Iterable[nn.Module]) -> dict[str, nn.Module]:
    return {f"layer {i}": layer for i, layer in enumerate(layers, start=1)}


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
        self, input: StrictInput, first: CausalLayer, body: CausalLayer, condition: Condition
    ) -> None:
        super().__init__(condition)
        self.input, self.first, self.body = input, first, body

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        added = self.condition(cond, len(sites))
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
    def reach(self) -> int | None:
        """The layers' together, behind an input that looks one back."""
        reaches: list[Any] = [part.reach for part in self._parts()]
        return None if None in reaches else 1 + sum(reaches)

    @property
    def unbounded(self) -> bool:
        """Whether both parts are."""
        return all(part.unbounded for part in self._parts())

    @property
    def grain(self) -> int:
        """A site."""
        return 1

    @property
    def encoder(self) -> nn.Module:
        """That of the strict input."""
        return self.input.encoder

    @property
    def depths(self) -> dict[str, nn.Module]:
        """The first layer, and those of the body that look back."""
        body: Any = self.body.layers if isinstance(self.body, Serial) else [self.body]
        return _numbered([self.first, *(layer for layer in body if layer.reach != 0)])

    def _parts(self) -> tuple[CausalLayer, CausalLayer]:
        return self.first, self.body


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
