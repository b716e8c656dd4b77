"""A distribution over a few numbers, each with a logit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule.heads.conditional import CategoricalConditional, Conditional


class Listed(Conditional):
    """One of N numbers, for a batch of B rows.

    Args:
        values: (N,) float64.
        logits: (B, N).
    """

    def __init__(self, values: Tensor, logits: Tensor) -> None:
        self.values, self.each = values, CategoricalConditional(logits)

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) → (B,) nats; -inf of a number that is none of these."""
        same = value[:, None] == self.values
        found = self.each.log_prob(same.long().argmax(-1))
        return torch.where(same.any(-1), found, -math.inf)

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,)."""
        return self.values.index_select(0, self.each.draw(u))

    def mode(self) -> Tensor:
        """(B,)."""
        return self.values.index_select(0, self.each.mode())

    def tempered(self, temperature: float) -> Listed:
        """∝ p^(1/T)."""
        return Listed(self.values, self.each.tempered(temperature).logits)

    def truncated(self, top_k: int | None, top_p: float | None) -> Listed:
        """The most probable ones alone."""
        return Listed(self.values, self.each.truncated(top_k, top_p).logits)
