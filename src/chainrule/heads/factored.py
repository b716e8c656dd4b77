"""A softmax over thousands of levels, in two steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from chainrule.heads.factored_conditional import FactoredConditional
from chainrule.heads.head import Head
from chainrule.heads.support import discrete
from chainrule.layers.state import State

WIDTH = 32  # of a level's vector


class FactoredCategorical(Head):
    """log p(level) = log p(its group) + log p(level | its group): O(√K) a row to score or draw, not O(K).

    Groups are ⌈√K⌉ neighbouring levels each, the last one perhaps fewer. A site's parameters are the logits of the
    groups and a query. In its group a level has the logit query · vector + offset: it owns a vector, which is learned,
    and an offset, its log-frequency in the training data. So a site has some √K + 32 parameters.

    Deviations: groups are of one size and follow the order of the levels, not their frequency, so that levels keep
    their order in draws; none of them is so frequent that it needs no group.

    Args:
        levels: K, without those below.
        other: whether there is a level, the one after these, of values that training never saw; see `Categorical`.
        gap: whether the last level is a missing value, in a group of its own.

    References:
        Goodman (2001), "Classes for fast maximum entropy training", https://arxiv.org/abs/cs/0108006
        Grave, Joulin, Cissé, Grangier, Jégou (2017), "Efficient softmax approximation for GPUs",
        https://arxiv.org/abs/1609.04309

    Example:
        >>> head = FactoredCategorical(10_000)
        >>> head.size, round(head.log_prob(torch.zeros(1, head.size), torch.tensor([[9_999]])).exp().item(), 6)
        (132, 0.0001)
    """

    variables = 1
    offset: Tensor
    unseen: Tensor | None

    def __init__(self, levels: int, *, other: bool = False, gap: bool = False) -> None:
        super().__init__()
        self.known, self.other, self.gap = levels, levels if other else None, gap
        each = math.ceil(math.sqrt(levels))
        groups = math.ceil(levels / each)
        self.support, self.size = discrete(levels + other + gap), groups + gap + WIDTH
        self.vectors = nn.Parameter(torch.randn(groups, each, WIDTH) / math.sqrt(WIDTH))
        self.register_buffer("offset", torch.zeros(groups, each))
        self.register_buffer("unseen", torch.tensor(0.5 / levels) if other else None)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, 1) → (…, 1) nats."""
        return self._conditional(params).log_prob(x[..., 0])[..., None]

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[FactoredConditional, State]:
        """The distribution itself."""
        return self._conditional(state), state

    def _conditional(self, params: Tensor) -> FactoredConditional:
        groups, query = params[..., :-WIDTH], params[..., -WIDTH:]
        return FactoredConditional(
            groups, query, self.vectors, self.offset, self.known, unseen=self.unseen, gap=self.gap
        )
