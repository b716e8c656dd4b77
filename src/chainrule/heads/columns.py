"""A head per column of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.heads.conditional import Conditional
from chainrule.heads.head import Head
from chainrule.heads.mixture import BinnedMixture
from chainrule.heads.support import Support
from chainrule.layers.state import State


class MaybeMissing(Head):
    """A number that may be missing, which is NaN: p(missing) = σ(first parameter), else another head's."""

    variables = 1

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head, self.size = head, 1 + head.size

    @property
    def support(self) -> Support:  # type: ignore[override]
        """The other head's, and NaN."""
        return self.head.support.with_points(math.nan)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, 1) → (…, 1) nats."""
        logit, missing = params[..., :1], x.isnan()
        there = F.logsigmoid(-logit) + self.head.log_prob(params[..., 1:], torch.where(missing, 0.0, x))
        return torch.where(missing, F.logsigmoid(logit), there)

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """Missing, or the other head's conditional."""
        there, _ = self.head.step(None, self.head.init_state(state[:, 1:]), 0)
        return Gap(state[:, 0], there), state


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
        p = torch.sigmoid(self.logit.double())
        value = self.there.draw(((u - p) / (1 - p)).clamp(0, 1 - 1e-16))
        return torch.where(u < p, torch.nan, value)

    def cdf(self, value: Tensor, *, strict: bool = False, upper: bool = False) -> Tensor:
        """The values' part, times the probability that there is one."""
        return torch.sigmoid(-self.logit.double()) * self.there.cdf(value, strict=strict, upper=upper)

    def nearest(self, value: Tensor) -> Tensor:
        """The values' part."""
        return self.there.nearest(value)

    def mode(self) -> Tensor:
        """NaN where missing is more probable than not; a density is not compared with a probability."""
        return torch.where(self.logit > 0, torch.nan, self.there.mode())

    def missing(self) -> Tensor:
        """σ(logit), (B,) float64."""
        return torch.sigmoid(self.logit.double())

    def present(self) -> Conditional:
        """The values' part."""
        return self.there

    def tempered(self, temperature: float) -> Gap:
        """Both parts by themselves."""
        return Gap(self.logit.double() / temperature, self.there.tempered(temperature))

    def truncated(self, top_k: int | None, top_p: float | None) -> Gap:
        """The values' part alone."""
        return Gap(self.logit, self.there.truncated(top_k, top_p))


class ColumnHeads(Head):
    """Site t has a head of its own, which reads the first of the site's P parameters.

    Args:
        heads: of each column; columns that share one are scored at once.
    """

    variables, levels = 1, None

    def __init__(self, heads: Sequence[Head]) -> None:
        super().__init__()
        heads = list(heads)
        different = list(dict.fromkeys(heads))
        self.heads = nn.ModuleList(different)
        self.which = [different.index(head) for head in heads]
        self.size = max(head.size for head in heads)

    def fit_widths(self, scales: Tensor) -> None:
        """Tell the heads of whole numbers how far these are apart once divided by `scales` (T,)."""
        for scale, which in zip(scales, self.which, strict=True):
            head = self.heads[which]
            inner = head.head if isinstance(head, MaybeMissing) else head
            if isinstance(inner, BinnedMixture):
                inner.width.copy_(1 / scale)

    def reordered(self, sites: Sequence[int]) -> ColumnHeads:
        """The same heads, of other positions."""
        return ColumnHeads([self.at(site) for site in sites])

    def at(self, site: int) -> Head:
        """The head of column `site`."""
        head: Any = self.heads[self.which[site]]
        return head

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, T, P), (…, T, 1) → (…, T, 1) nats; of the first T columns."""
        terms = torch.empty_like(params[..., :1])
        for i, head in enumerate(self.heads):
            sites = [t for t in range(x.shape[-2]) if self.which[t] == i]
            if not sites:
                continue
            index = torch.tensor(sites, device=x.device)
            own = params.index_select(-2, index)[..., : head.size]
            terms = terms.index_copy(-2, index, head.log_prob(own, x.index_select(-2, index)).to(terms.dtype))
        return terms

    def init_state(self, params: Tensor) -> State:
        """Not of all columns at once: `at(site).init_state`."""
        raise NotImplementedError("a column's head is `at(site)`")

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """Not of all columns at once: `at(site).step`."""
        raise NotImplementedError("a column's head is `at(site)`")
