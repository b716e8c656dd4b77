"""A table of probabilities per variable."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.heads.conditional import CategoricalConditional, Conditional
from chainrule.heads.head import Head
from chainrule.heads.support import discrete
from chainrule.layers.state import State


class Categorical(Head):
    """Each of V variables: softmax over `levels` logits, independent given the parameters.

    Args:
        levels: K; a site has V·K parameters.
        variables: V.
        gap: whether the last level is a missing value.

    Example:
        >>> Categorical(4).log_prob(torch.zeros(1, 4), torch.tensor([[2]])).exp()
        tensor([[0.2500]])
    """

    def __init__(self, levels: int, variables: int = 1, *, gap: bool = False) -> None:
        super().__init__()
        self.gap = gap
        self.support, self.variables, self.size = discrete(levels), variables, variables * levels

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, V·K), (…, V) → (…, V) nats."""
        logits = params.unflatten(-1, (self.variables, self.levels))
        return torch.log_softmax(logits, dim=-1).gather(-1, x[..., None].long())[..., 0]

    def init_state(self, params: Tensor) -> State:
        """The logits (B, V, K)."""
        return params.unflatten(-1, (self.variables, self.levels))

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """Row v of the logits."""
        return CategoricalConditional(state[:, v], self.gap), state
