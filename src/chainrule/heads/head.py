"""The interface of a head: a small autoregressive model of the variables of one site."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.heads.conditional import Conditional
from chainrule.heads.support import Support
from chainrule.layers.state import State


class Head(nn.Module, ABC):
    """Turns P parameters into the distribution of a site's V variables, scored at once or drawn one by one.

    Attributes:
        variables: V.
        size: P, what the network must emit for a site.
        support: the values a variable can take; `heads.support` has the usual ones.
        coupled: whether a variable reads those before it in its site, instead of the parameters alone.
        precise: whether values are float64 whatever the parameters are.
    """

    variables: int
    size: int
    coupled = False
    precise = False
    support: Support

    @property
    def levels(self) -> Any:  # int | None
        """How many levels a variable takes; None for numbers."""
        return self.support.levels

    def kind(self, dtype: torch.dtype) -> torch.dtype:
        """The type of values beside parameters of this type."""
        if self.levels is not None:
            return torch.int64
        return torch.float64 if self.precise else dtype

    @abstractmethod
    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, V) → (…, V) nats: each variable given those before it in the site."""

    def init_state(self, params: Tensor) -> State:
        """What the steps through the variables of one site carry: (B, P) → state; the parameters, by default."""
        return params

    @abstractmethod
    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The conditional of variable v, given the one before it in the site (B,), None for the first."""

    def reordered(self, sites: Sequence[int]) -> Head:
        """The head under which position t holds site `sites[t]`; itself where all sites have the same."""
        return self

    def at(self, site: int) -> Head:
        """The head of one site; itself where all sites have the same."""
        return self
