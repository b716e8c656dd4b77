"""Order-less training: one net that gives p(x_d | any subset), trained on random subsets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor

from chainrule.devices import wide_sum, widest
from chainrule.domain import Domain
from chainrule.engine import draw_noise
from chainrule.heads import Head
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import Marginalises
from chainrule.models.parts.constraints import check_orderable
from chainrule.networks import Network

STRATA = 4  # subsets of each item that validation looks at: of few variables, of more, of most


class OrderlessModel(Marginalises, AutoregressiveModel):
    """A model trained for all orderings at once. `log_prob` is exact under its own ordering, and costs D evaluations.

    Its network has two more methods: `guess(sites, seen, cond)`, (B, D, 1) and booleans (B, D) → (B, D, P), the
    parameters of every site given those seen alone; and `reordered(sites)`, the same network under another ordering.

    A missing cell (NaN) is never seen and has no term: log_prob is that of the cells that are there, in the ordering
    that puts the missing ones last.

    References:
        Uria, Murray, Larochelle (2014), "A deep and tractable density estimator", https://arxiv.org/abs/1310.1757
    """

    network: Any

    def __init__(self, network: Network, domain: Domain, head: Head, **options: Any) -> None:
        check_orderable(domain)
        super().__init__(network, domain, head, **options)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """D / (D - d + 1) · Σ_{unseen} -log p(x_i | seen), for a random ordering and d uniform on 1 … D: (B,) nats."""
        return self._loss(x, cond, None)

    def valid_loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The same with several subsets of each item, which are always the same, (B,) nats.

        One for each quarter of the sizes 0 … D - 1, and spread evenly in it over the batch. So epochs compare, and the
        mean estimates that over all orderings; `log_prob` is of one of them.
        """
        generator, strata = torch.Generator().manual_seed(0), min(STRATA, self.domain.size)
        return torch.stack([self._loss(x, cond, generator, k, strata) for k in range(strata)]).mean(0)

    def _complete(
        self,
        x: Tensor,
        known: Tensor,
        n: int,
        *,
        cond: Tensor | None,
        generator: torch.Generator | None,
        **options: Any,
    ) -> Tensor:
        """Each mask under its own ordering: what is known first, then the rest in the model's order."""
        known = known & ~x.isnan()
        x = torch.where(known, x, torch.zeros_like(x))
        drawn = x.new_empty(len(x), n, *self.domain.event_shape)
        noise = draw_noise(len(x) * n, self.domain.size, generator, self.device).unflatten(0, (len(x), n))
        for rows, member in self._by_mask(known):
            own = {"cond": None if cond is None else cond[rows], "noise": noise[rows].flatten(0, 1)}
            part = super(OrderlessModel, member)._complete(  # in the member's one ordering
                x[rows], known[rows], n, generator=generator, **own, **options
            )
            drawn[rows] = part.to(drawn.dtype)
        return drawn

    def log_prob_given(
        self, x: Tensor, known: Tensor, cond: Tensor | None, **options: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Exact: each mask under the ordering that has its known variables first."""
        found = torch.zeros(len(x), dtype=widest(x.device), device=x.device)
        for rows, member in self._by_mask(known):
            terms = member._terms(x[rows], None if cond is None else cond[rows])
            found[rows] = wide_sum(torch.where(known[rows], 0.0, terms).flatten(1), 1)
        return found, torch.zeros_like(found), torch.ones_like(found, dtype=torch.bool)

    def _by_mask(self, known: Tensor) -> Iterator[tuple[Tensor, Self]]:
        """The rows of each mask (B, *event_shape), and this model with what is known there first."""
        patterns, which = torch.unique(self.ordering.flatten(known), dim=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            first = torch.argsort(~pattern.cpu(), stable=True)
            yield (which == i).nonzero().flatten(), self.in_order(self.ordering.variables[first])

    def followed(self, first: Tensor) -> list[Any]:
        """Itself under the ordering that has these variables first, in this order, and then the rest in its own."""
        rest = [d for d in self.ordering.variables.tolist() if d not in set(first.tolist())]
        return [self.in_order(torch.tensor([*first.tolist(), *rest]))]

    def in_order(self, permutation: Tensor) -> Self:
        """The same net under another ordering: the domain's variables (D,) in generation order, on the CPU."""
        sites = self.ordering.variables.argsort()[permutation]
        return self.reordered(permutation, self.network.reordered(sites))

    def terms(self, params: Tensor, sites: Tensor) -> Tensor:
        """(B, D, P), (B, D, 1) → (B, D) nats, 0 for what is missing."""
        if not sites.is_floating_point():
            return super().terms(params, sites)
        return torch.where(sites[..., 0].isnan(), 0.0, super().terms(params, sites.nan_to_num()))

    def _loss(
        self,
        x: Tensor,
        cond: Tensor | None,
        generator: torch.Generator | None,
        stratum: int = 0,
        strata: int = 1,
    ) -> Tensor:
        """The loss with a number of seen variables from one of the equal strata of 0 … D - 1."""
        self.check_cond(cond)
        sites = self.to_sites(self.domain.check(x))
        there = ~sites[..., 0].isnan()
        batch, length = there.shape
        drawn: Any = {
            "generator": generator,
            "device": sites.device if generator is None else generator.device,
        }
        place = torch.rand(batch, length, **drawn).argsort(1).to(sites.device)
        # Spread evenly over the batch: each is uniform, and their mean varies less.
        spread = torch.randperm(batch, **drawn) + torch.rand(batch, **drawn)
        share = (stratum * batch + spread[:, None]) * length / max(strata * batch, 1)
        cut = share.long().clamp(max=length - 1).to(sites.device)
        seen = (place < cut) & there
        terms = self.terms(self.allow(self.network.guess(sites, seen, cond), sites), sites)
        nats = -torch.where(seen, 0.0, terms).sum(1)
        return nats * length / (length - cut[:, 0])
