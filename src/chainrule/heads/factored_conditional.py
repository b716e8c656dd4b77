"""A distribution over many levels, those of a group at a time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.devices import widest
from chainrule.heads.conditional import CategoricalConditional


class FactoredConditional(CategoricalConditional):
    """First a group of levels, then a level of it. Scoring and drawing look at one group a row, all else at all levels.

    Args:
        groups: (…, G) logits, and of a missing value if there is a gap.
        query: (…, W).
        vectors: (G, S, W) of the levels.
        offset: (G, S), added to their logits.
        known: K ≤ G·S, the levels that groups hold, in order.
        unseen: the probability of a level K that stands for all others; None where there is none.
        gap: whether the last level is a missing value.
    """

    def __init__(
        self,
        groups: Tensor,
        query: Tensor,
        vectors: Tensor,
        offset: Tensor,
        known: int,
        *,
        unseen: Tensor | None = None,
        gap: bool = False,
    ) -> None:
        self.groups, self.query, self.vectors, self.offset = groups, query, vectors, offset
        self.known, self.unseen, self.gap = known, unseen, gap
        self.other = None if unseen is None else known

    @property
    def levels(self) -> int:
        """K, others and missing values counted."""
        return self.known + (self.unseen is not None) + self.gap

    @property
    def logits(self) -> Tensor:  # type: ignore[override]
        """The log-probabilities of all levels, (…, levels)."""
        every = self.query @ self.vectors.flatten(0, 1).T + self.offset.flatten()
        beyond = torch.arange(every.shape[-1], device=every.device) >= self.known
        within = every.masked_fill(beyond, -torch.inf).unflatten(-1, self.offset.shape).log_softmax(-1)
        groups = torch.log_softmax(self.groups, dim=-1) + self._seen()
        held, gap = groups.split([len(self.offset), int(self.gap)], dim=-1)
        found = [(held[..., None] + within).flatten(-2)[..., : self.known]]
        if self.unseen is not None:
            found.append(self.unseen.log().to(groups).expand_as(groups[..., :1]))
        return torch.cat([*found, gap], dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """(…,) levels → (…,) nats."""
        code = value.long()
        missing = (code == self.levels - 1) & self.gap
        other = (code == self.known) & (self.unseen is not None)
        code = torch.where(missing | other, 0, code)
        group, place = code // self.offset.shape[1], code % self.offset.shape[1]
        within = torch.log_softmax(self._members(group), dim=-1).gather(-1, place[..., None])[..., 0]
        chosen = torch.where(missing, len(self.offset), group)
        found = torch.log_softmax(self.groups, dim=-1).gather(-1, chosen[..., None])[..., 0] + self._seen()
        found = found + torch.where(missing, 0.0, within)
        return found if self.unseen is None else torch.where(other, self.unseen.log().to(found), found)

    def draw(self, u: Tensor) -> Tensor:
        """As of all levels in order, (B,) → (B,): what u leaves of its group, stretched, chooses in the group."""
        groups, each = self.offset.shape
        total = torch.softmax(self.groups, dim=-1, dtype=widest(self.groups.device)).cumsum(-1)
        total = F.pad(total / total[..., -1:], (1, 0))
        above = torch.searchsorted(total, u[..., None].contiguous(), right=True)
        above = above.clamp(1, total.shape[-1] - 1)  # NaN is refused by who asked, but no group lies outside
        low, high = total.gather(-1, above - 1)[..., 0], total.gather(-1, above)[..., 0]
        chosen = above[..., 0] - 1
        rest = ((u - low) / (high - low)).clamp(0, 1 - 1e-16)
        group = chosen.clamp(max=groups - 1)
        place = CategoricalConditional(self._members(group)).draw(rest)
        return torch.where(chosen == groups, self.levels - 1, group * each + place)

    def present(self) -> FactoredConditional:
        """Without missing values and others."""
        return FactoredConditional(
            self.groups[..., : len(self.offset)], self.query, self.vectors, self.offset, self.known
        )

    def _members(self, group: Tensor) -> Tensor:
        """Logits of the levels of a group (…,) each, (…, S); -inf where the last group has none."""
        each = self.offset.shape[1]
        vectors = F.embedding(group, self.vectors.flatten(1)).unflatten(-1, (each, -1))
        logits = (vectors @ self.query[..., None])[..., 0] + F.embedding(group, self.offset)
        place = group[..., None] * each + torch.arange(each, device=group.device)
        return logits.masked_fill(place >= self.known, -torch.inf)

    def _seen(self) -> Tensor | float:
        """The log-probability of all levels but that of others."""
        return 0.0 if self.unseen is None else torch.log1p(-self.unseen).to(self.groups)
