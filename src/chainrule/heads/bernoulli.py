"""One logit per binary variable."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.heads.conditional import BernoulliConditional, Conditional
from chainrule.heads.head import Head
from chainrule.heads.support import discrete
from chainrule.layers.state import State


class Bernoulli(Head):
    """Each of V bits: p(1) = σ(logit), independent given the parameters.

    Example:
        >>> Bernoulli().log_prob(torch.zeros(1, 1), torch.tensor([[1]])).exp()
        tensor([[0.5000]])
    """

    support = discrete(2)

    def __init__(self, variables: int = 1) -> None:
        super().__init__()
        self.variables = self.size = variables

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, V), (…, V) → (…, V) nats."""
        return F.logsigmoid(torch.where(x > 0, params, -params))

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The bit of σ(l)."""
        return BernoulliConditional(state[:, v]), state
