"""A model's steps and its conditionals in portable arithmetic."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from chainrule.engine.portable.mode import Portable
from chainrule.heads import Conditional, Head
from chainrule.heads.support import Support
from chainrule.layers.state import State


class PortableSteps:
    """A model's own verbs in portable arithmetic.

    Args:
        model: an `engine.rollout.Stepwise`, on the CPU. If its parameters change, new ones are needed.
        arithmetic: of it.
    """

    def __init__(self, model: Any, arithmetic: Portable) -> None:
        self.model, self.arithmetic = model, arithmetic

    def init_state(
        self, batch: int, *, cond: Tensor | None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The model's own."""
        with self.arithmetic():
            return self.model.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """The model's own."""
        with self.arithmetic():
            return self.model.prefill(sites, state)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable) -> tuple[Tensor, State]:
        """The model's own."""
        with self.arithmetic():
            return self.model.step(prev, state, t, phase=phase)

    def head(self) -> Head:
        """The model's head in the arithmetic."""
        return PortableHead(self.model.head, self.arithmetic)


class PortableHead(Head):
    """A head whose conditionals give their tables and masses in portable arithmetic.

    Args:
        head: the model's.
        arithmetic: of the model.
    """

    def __init__(self, head: Head, arithmetic: Portable) -> None:
        super().__init__()
        self.head, self._arithmetic = head, arithmetic
        self.variables, self.size = head.variables, head.size

    @property
    def support(self) -> Support:  # type: ignore[override]
        """The head's own."""
        return self.head.support

    @property
    def levels(self) -> Any:  # int | None
        """The head's own."""
        return self.head.levels

    def at(self, site: int) -> Head:
        """The head of the site, likewise."""
        return PortableHead(self.head.at(site), self._arithmetic)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, V) → (…, V) nats."""
        with self._arithmetic():
            return self.head.log_prob(params, x)

    def init_state(self, params: Tensor) -> State:
        """The head's own."""
        with self._arithmetic():
            return self.head.init_state(params)

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The head's own."""
        with self._arithmetic():
            conditional, state = self.head.step(prev, state, v)
        return PortableConditional(conditional, self._arithmetic), state


class PortableConditional(Conditional):
    """What a coder asks of a conditional, in portable arithmetic.

    Args:
        conditional: the head's.
        arithmetic: of the model.
    """

    def __init__(self, conditional: Conditional, arithmetic: Portable) -> None:
        self._conditional, self._arithmetic = conditional, arithmetic

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) → (B,) nats."""
        with self._arithmetic():
            return self._conditional.log_prob(value)

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,)."""
        with self._arithmetic():
            return self._conditional.draw(u)

    @property
    def levels(self) -> int | None:
        """K."""
        return self._conditional.levels

    def table(self) -> Tensor:
        """(B, K) float64."""
        with self._arithmetic():
            return self._conditional.table()

    def masses(self, edges: Tensor) -> Tensor:
        """(B, E+1) integers → (B, E) float64."""
        with self._arithmetic():
            return self._conditional.masses(edges)

    def missing(self) -> Tensor | None:
        """(B,) float64, or None."""
        with self._arithmetic():
            return self._conditional.missing()

    def present(self) -> Conditional:
        """What is left."""
        return PortableConditional(self._conditional.present(), self._arithmetic)
