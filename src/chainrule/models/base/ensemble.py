"""Mixtures of models under several orderings or masks: p(x) = 1/K Σ_k p_k(x)."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.devices import widened
from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.engine import Runner, Sample, choose_particle, draw_noise
from chainrule.engine.noise import sent
from chainrule.errors import ApproximateCompletionWarning, ChainruleError
from chainrule.layers import Condition
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import Completes, Exact, Samples, Sequential
from chainrule.models.parts.constraints import check_orderable

VALIDATED = 4  # members with shared parameters that validation mixes


class Ensemble(Exact, Samples, Completes, Sequential):
    """K members with equal weights. Joints are mixed, never conditionals.

    Args:
        domain: of all members.
        members: K.
        orderings: how many different ones they follow, member k the one of k modulo `orderings`; 0 is the natural one.
    """

    candidates = 16

    def __init__(self, domain: Domain, *, members: int, orderings: int) -> None:
        super().__init__(domain)
        if orderings > 1:
            check_orderable(domain)
        self.members, self.orderings = members, orderings

    @abstractmethod
    def member(self, k: int) -> AutoregressiveModel:
        """Member k."""

    def order(self, k: int) -> Tensor:
        """The permutation (D,) of the sites that member k follows."""
        size, which = self.domain.size, k % self.orderings
        generator = torch.Generator().manual_seed(which)
        return torch.randperm(size, generator=generator) if which else torch.arange(size)

    # --- the verbs -------------------------------------------------------------------------------

    def _log_prob(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """logsumexp_k log p_k(x) - log K."""
        return self.mixed(x, cond, self.members)

    def _terms(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """log Σ_k w_k p_k(x_d | x_<d), where w_k is member k's posterior weight given x_<d; of one ordering only."""
        if self.orderings > 1:
            raise ChainruleError("reduce: an ensemble over orderings has no term per variable, only a sum")
        order = self.factorisation.ordering
        terms = [order.flatten(self.member(k)._terms(x, cond)) for k in range(self.members)]
        joint = widened(torch.stack(terms)).cumsum(2).logsumexp(0) - math.log(self.members)
        return order.unflatten(joint.diff(dim=1, prepend=torch.zeros_like(joint[:, :1])))

    def _draw(
        self,
        n: int,
        cond: Tensor | None,
        rule: Sample,
        generator: torch.Generator | None,
        runner: Runner | None,
    ) -> Tensor:
        """Each item from a member drawn first.

        A runner is bound to one model, so only predictive runners, which take every member in turn, are allowed.
        """
        noise = draw_noise(n, 1 + self.domain.size, generator)
        which = (noise[:, 0] * self.members).long().cpu()
        items = self.factorisation.sample(0, None if cond is None else cond[:0])
        items = items.new_empty(n, *self.domain.event_shape)
        for k in which.unique().tolist():
            rows = (which == k).nonzero().flatten()
            own = None if cond is None else cond[rows.to(self.device)]
            choice = replace(rule, noise=sent(noise[rows.to(noise.device), 1:], self.device))
            items[rows.to(self.device)] = self.member(k).draw(choice, len(rows), own, runner=runner)
        return items

    def _complete(
        self,
        x: Tensor,
        known: Tensor,
        n: int,
        *,
        cond: Tensor | None,
        rule: Sample,
        particles: int,
        generator: torch.Generator | None,
        runner: Runner | None,
    ) -> Tensor:
        """Each draw is one of `particles` candidates, each of its own random member.

        It is chosen in proportion to the probability that its member gives to what is known. With one candidate its
        member is chosen without regard to what is known: this warns.
        """
        if runner is not None:
            raise self.refusal("no runners of completions", "complete without one")
        if particles == 1 and (known.flatten(1).any(1) & ~known.flatten(1).all(1)).any():
            warnings.warn(
                "one candidate per draw: its ordering is drawn without regard to the known values; "
                "particles=64, say, takes them into account",
                ApproximateCompletionWarning,
                stacklevel=3,
            )
        batch, rows = len(x), n * particles
        noise = draw_noise(batch * rows, 2 + self.domain.size, generator, self.device)
        which = (noise[:, 0] * self.members).long().cpu()
        many, mask = x.repeat_interleave(rows, 0), known.repeat_interleave(rows, 0)
        conds = None if cond is None else cond.repeat_interleave(rows, 0)
        values, weights = torch.empty_like(many), torch.empty_like(noise[:, 0])
        for k in which.unique().tolist():
            own = (which == k).nonzero().flatten().to(self.device)
            choice = replace(rule, noise=noise[own, 2:], present=True)
            given = None if conds is None else conds[own]
            values[own], weights[own] = self.member(k).force(many[own], mask[own], choice, given)
        shape = (batch, n, particles)
        chosen = choose_particle(weights.reshape(shape), noise[:, 1].reshape(shape))
        values = values.reshape(*shape, self.domain.size)
        drawn = values.take_along_dim(chosen[..., None], dim=2)[:, :, 0]
        return drawn.unflatten(2, self.domain.event_shape)

    def log_prob_given(
        self, x: Tensor, known: Tensor, cond: Tensor | None, **options: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """p(known) of a mixture is the mean of its members'; exact where all of these are."""
        each = [self.member(k).log_known(x, known, cond, **options) for k in range(self.members)]
        log_known, errors, exact = (torch.stack(part) for part in zip(*each, strict=True))
        share = log_known.softmax(0)  # how much of the mean each member makes up
        found = self._log_prob(x, cond) - (log_known.logsumexp(0) - math.log(self.members))
        return found, (share * errors).square().sum(0).sqrt(), exact.all(0)

    def followed(self, first: Tensor) -> list[Any]:
        """All members."""
        return [self.member(k) for k in range(self.members)]

    @property
    def factorisation(self) -> AutoregressiveModel:
        """Member 0."""
        return self.member(0)

    @property
    def condition(self) -> Condition:
        """The condition, the same for every member."""
        return self.factorisation.condition

    def mixed(self, x: Tensor, cond: Tensor | None, members: int) -> Tensor:
        """The log-likelihood of a mixture of the first few members: (B,) nats."""
        joints = torch.stack([self.member(k)._log_prob(x, cond) for k in range(members)])
        return joints.logsumexp(0) - math.log(members)


class SharedEnsemble(Ensemble):
    """Members that are one model's parameters under different orderings, and different masks where it has masks.

    Args:
        template: whose network has a method `reordered(sites, generator)`; it is member 0.
        members: K.
        orderings: how many different ones.
    """

    def __init__(self, template: AutoregressiveModel, *, members: int, orderings: int) -> None:
        super().__init__(template.domain, members=members, orderings=orderings)
        self.template = template

    def member(self, k: int) -> AutoregressiveModel:
        """The parameters in the order of member k."""
        if k == 0:
            return self.template
        sites = self.order(k)
        network = self.template.network.reordered(sites, torch.Generator().manual_seed(k))
        return self.template.reordered(self.template.ordering.variables[sites], network)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The loss of a random member: (B,) nats."""
        return self.member(int(torch.randint(self.members, ()))).loss(x, cond)

    def valid_loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The loss of the mixture of the first few members: (B,) nats."""
        return -self.mixed(self.domain.check(x), cond, min(self.members, VALIDATED))

    def prepare(self, x: Tensor) -> None:
        """Prepare the template."""
        self.template.prepare(x)


class SeparateEnsemble(Ensemble):
    """Members with parameters of their own, trained side by side.

    Args:
        build: an ordering's permutation → a model.
        domain: of all.
        members: K.
        orderings: how many different ones.
    """

    def __init__(
        self,
        build: Callable[[list[int]], AutoregressiveModel],
        domain: Domain,
        *,
        members: int,
        orderings: int,
    ) -> None:
        super().__init__(domain, members=members, orderings=orderings)
        natural = Ordering(domain).variables
        self.models = nn.ModuleList(build(natural[self.order(k)].tolist()) for k in range(members))

    def member(self, k: int) -> AutoregressiveModel:
        """Model k."""
        model: Any = self.models[k]
        return model

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The mean of the members' losses, each of which moves its own parameters alone: (B,) nats."""
        return torch.stack([self.member(k).loss(x, cond) for k in range(self.members)]).mean(0)

    def valid_loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The loss of the mixture: (B,) nats."""
        return -self.log_prob(x, cond)

    def prepare(self, x: Tensor) -> None:
        """Prepare every member."""
        for k in range(self.members):
            self.member(k).prepare(x)
