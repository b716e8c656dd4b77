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
        other: the level of values that training never saw, if there is one. It has a probability of its own, `unseen`,
            whatever the parameters say, and is never drawn.

    Example:
        >>> Categorical(4).log_prob(torch.zeros(1, 4), torch.tensor([[2]])).exp()
        tensor([[0.2500]])
    """

    unseen: Tensor

    def __init__(
        self, levels: int, variables: int = 1, *, gap: bool = False, other: int | None = None
    ) -> None:
        super().__init__()
        self.gap, self.other = gap, other
        if other is not None:
            self.register_buffer("unseen", torch.tensor(0.5 / levels))
        self.support, self.variables, self.size = discrete(levels), variables, variables * levels

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, V·K), (…, V) → (…, V) nats."""
        logits = self.init_state(params)
        return torch.log_softmax(logits, dim=-1).gather(-1, x[..., None].long())[..., 0]

    def init_state(self, params: Tensor) -> State:
        """The logits (…, V, K)."""
        logits = params.unflatten(-1, (self.variables, self.levels))
        if self.other is None:
            return logits
        is_other = torch.arange(self.levels, device=logits.device) == self.other
        seen = torch.log_softmax(logits.masked_fill(is_other, -torch.inf), dim=-1)
        unseen = self.unseen.to(logits.dtype)
        return torch.where(is_other, unseen.log(), seen + torch.log1p(-unseen))

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """Row v of the logits."""
        return CategoricalConditional(state[:, v], self.gap, self.other), state
