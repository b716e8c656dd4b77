"""A head per column of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.devices import index_on
from chainrule.heads.conditional import Conditional
from chainrule.heads.gap import Gap
from chainrule.heads.head import Head
from chainrule.heads.mixture import BinnedMixture
from chainrule.heads.number import NumberHead, log_prob_of
from chainrule.heads.support import Support
from chainrule.layers.encoding import Cells
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


class ColumnHeads(Head):
    """Site t has a head of its own, which reads the first of the site's P parameters.

    Args:
        heads: of each column; columns that share one are scored at once, and so are all number columns.
        offset: (T, P), added to the parameters that a net gives, so that zeros are the marginals of the training
            data; zeros by default.
    """

    variables, levels = 1, None
    offset: Tensor

    def __init__(self, heads: Sequence[Head], offset: Tensor | None = None) -> None:
        super().__init__()
        heads = list(heads)
        different = list(dict.fromkeys(heads))
        self.heads = nn.ModuleList(different)
        self.which = [different.index(head) for head in heads]
        self.size = max(head.size for head in heads)
        offset = torch.zeros(len(heads), self.size) if offset is None else offset
        self.register_buffer("offset", offset)
        self.numbers = next((head.numbers for head in different if isinstance(head, NumberHead)), None)
        self.precise = self.numbers is not None

    def share(self, network: nn.Module) -> None:
        """Hand the number columns over to the codes of a network, which read them by the same maps."""
        for part in network.modules():
            if isinstance(part, Cells) and self.numbers is not None:
                part.share(self.numbers)

    def remember(self, x: Tensor) -> None:
        """Keep what the numbers of rows x (N, T) read as, while the maps of their columns stay as they are."""
        if self.numbers is not None:
            heads = [self.at(site) for site in range(len(self.which))]
            sites = {head.column: site for site, head in enumerate(heads) if isinstance(head, NumberHead)}
            self.numbers.remember(x[:, [sites[column] for column in range(len(sites))]])

    def fit_widths(self, scales: Tensor) -> None:
        """Tell the heads of whole numbers how far these are apart once divided by `scales` (T,)."""
        for scale, which in zip(scales, self.which, strict=True):
            head = self.heads[which]
            inner = head.head if isinstance(head, MaybeMissing) else head
            if isinstance(inner, BinnedMixture):
                inner.width.copy_(1 / scale)

    def reordered(self, sites: Sequence[int]) -> ColumnHeads:
        """The same heads, of other positions."""
        return ColumnHeads(
            [self.at(site) for site in sites], self.offset[index_on(self.offset.device, sites)]
        )

    def at(self, site: int) -> Head:
        """The head of column `site`."""
        head: Any = self.heads[self.which[site]]
        return head

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, T, P), (…, T, 1) → (…, T, 1) nats; of the first T columns."""
        terms = torch.empty_like(params[..., :1])
        for heads, sites in self._alike(x.shape[-2]):
            index = index_on(x.device, sites)
            own, values = params.index_select(-2, index)[..., : heads[0].size], x.index_select(-2, index)
            if isinstance(heads[0], NumberHead):
                found = log_prob_of(heads, own, values[..., 0])[..., None]
            else:
                found = heads[0].log_prob(own, values)
            terms = terms.index_copy(-2, index, found.to(terms.dtype))
        return terms

    def _alike(self, length: int) -> list[tuple[list[Any], list[int]]]:
        """The first sites, by those that are scored at once: their heads and places."""
        groups: dict[int, tuple[list[Any], list[int]]] = {}
        for t, which in enumerate(self.which[:length]):
            head = self.heads[which]
            heads, sites = groups.setdefault(-1 if isinstance(head, NumberHead) else which, ([], []))
            heads.append(head)
            sites.append(t)
        return list(groups.values())

    def complete(self, state: dict[str, Tensor], prefix: str) -> None:
        """Add what the weights of earlier versions lack: their offset is 0."""
        zeros = torch.zeros(self.offset.shape, dtype=self.offset.dtype)
        state.setdefault(f"{prefix}offset", zeros)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        self.complete(state, prefix)
        super()._load_from_state_dict(state, prefix, *args)

    def init_state(self, params: Tensor) -> State:
        """Not of all columns at once: `at(site).init_state`."""
        raise NotImplementedError("a column's head is `at(site)`")

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """Not of all columns at once: `at(site).step`."""
        raise NotImplementedError("a column's head is `at(site)`")
