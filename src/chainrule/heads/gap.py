"""A conditional whose value may be missing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.devices import widened
from chainrule.heads.conditional import Conditional


class Gap(Conditional):
    """NaN with probability σ(logit), else a value of another conditional."""

    def __init__(self, logit: Tensor, there: Conditional) -> None:
        self.logit, self.there = logit, there

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) → (B,) nats."""
        missing = value.isnan()
        there = F.logsigmoid(-self.logit) + self.there.log_prob(torch.where(missing, 0.0, value))
        return torch.where(missing, F.logsigmoid(self.logit), there)

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,): the lower part of u is missing, the rest is stretched over the values."""
        p = torch.sigmoid(widened(self.logit))
        value = self.there.draw(((u - p) / (1 - p)).clamp(0, 1 - 1e-16))
        return torch.where(u < p, torch.nan, value)

    def cdf(self, value: Tensor, *, strict: bool = False, upper: bool = False) -> Tensor:
        """The values' part, times the probability that there is one."""
        return torch.sigmoid(-widened(self.logit)) * self.there.cdf(value, strict=strict, upper=upper)

    def nearest(self, value: Tensor) -> Tensor:
        """The values' part."""
        return self.there.nearest(value)

    def mode(self) -> Tensor:
        """NaN where missing is more probable than not; a density is not compared with a probability."""
        return torch.where(self.logit > 0, torch.nan, self.there.mode())

    def missing(self) -> Tensor:
        """σ(logit), (B,) float64."""
        return torch.sigmoid(widened(self.logit))

    def present(self) -> Conditional:
        """The values' part."""
        return self.there

    def tempered(self, temperature: float) -> Gap:
        """Both parts by themselves."""
        return Gap(widened(self.logit) / temperature, self.there.tempered(temperature))

    def truncated(self, top_k: int | None, top_p: float | None) -> Gap:
        """The values' part alone."""
        return Gap(self.logit, self.there.truncated(top_k, top_p))
