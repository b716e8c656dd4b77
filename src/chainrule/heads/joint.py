"""One table over all values of a site's variables together."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.heads.conditional import CategoricalConditional, Conditional
from chainrule.heads.head import Head
from chainrule.heads.support import discrete
from chainrule.layers.state import State


class Joint(Head):
    """A softmax over the K^V values that V variables have together; each variable's conditional is a ratio of its sums.

    So nothing is assumed of the variables of a site, where `Categorical` takes them as independent.

    Args:
        levels: K.
        variables: V.

    Example:
        >>> Joint(2, 3).log_prob(torch.zeros(1, 8), torch.tensor([[0, 1, 1]])).exp()
        tensor([[0.5000, 0.5000, 0.5000]])
    """

    coupled = True

    def __init__(self, levels: int, variables: int) -> None:
        super().__init__()
        self.support, self.variables, self.size = discrete(levels), variables, levels**variables

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, K^V), (…, V) → (…, V) nats."""
        rest, terms = self.init_state(params), []
        for v in range(self.variables):
            level = x[..., v, None].long()
            terms.append(torch.log_softmax(self._sums(rest), dim=-1).gather(-1, level))
            rest = self._chosen(rest, level)
        return torch.cat(terms, dim=-1)

    def init_state(self, params: Tensor) -> State:
        """The logits (B, K^V)."""
        return params

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """From the logits that the variables before leave, (B, K^(V-v))."""
        if prev is not None:
            state = self._chosen(state, prev[..., None].long())
        return CategoricalConditional(self._sums(state)), state

    def _sums(self, logits: Tensor) -> Tensor:
        """Over all that follows the first variable that is left: (…, K·R) → (…, K)."""
        return logits.unflatten(-1, (self.levels, -1)).logsumexp(-1)

    def _chosen(self, logits: Tensor, level: Tensor) -> Tensor:
        """Where the first variable that is left has a level: (…, K·R), (…, 1) → (…, R)."""
        rest = logits.shape[-1] // self.levels
        return logits.gather(-1, level * rest + torch.arange(rest, device=logits.device))
