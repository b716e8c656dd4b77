"""What a model can do, each a small interface that it declares by inheriting.

A public verb is here and nowhere else: it checks its arguments, then calls the one method that a family overrides:
`log_prob` calls `_log_prob` or `_terms`, `log_prob_bound` calls `log_weight`, `sample` calls `_draw`, `complete` calls
`_complete`, `reconstruct` calls `_reconstruct`. Whether a model can do something is `isinstance(model, Exact)`, say.
Only `Streams`, in a file of its own, does its work itself.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from chainrule.devices import widened
from chainrule.domain.ordering import Ordering
from chainrule.engine import Predictive, Runner, Sample
from chainrule.engine.noise import Continued, RowNoise
from chainrule.engine.rows import rows_at_once, state_bytes
from chainrule.errors import check_count
from chainrule.heads import Head
from chainrule.models.base.model import Model
from chainrule.models.parts.constraints import known_part

FEW = 64  # items that are always drawn at once


class Exact(Model):
    """log p(x) is known."""

    likelihood = "exact"

    def log_prob(self, x: Tensor, cond: Tensor | None = None, reduce: bool = True) -> Tensor:
        """The exact log-likelihood in nats: of each item (B,), or of each variable (B, *event_shape).

        Args:
            x: (B, *event_shape), integers in [0, levels) or floats.
            cond: labels (B,) or vectors (B, E), for a conditional model.
            reduce: whether to sum over variables, in float64.

        Raises:
            DomainError: if x does not lie in the domain.
            ConditionError: if the condition is missing, superfluous or of the wrong kind.
            ChainruleError: for terms of a model that has only their sum.
        """
        x = self.here(self.domain.check(x))
        cond = self.cond_here(cond)
        return self._log_prob(x, cond) if reduce else self._terms(x, cond)

    def log_prob_bound(
        self,
        x: Tensor,
        cond: Tensor | None = None,
        *,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """`log_prob`, (B, *event_shape) → (B,) nats, so that one may ask any likelihood for a bound."""
        return self.log_prob(x, cond)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The negative log-likelihood, (B,) nats."""
        return -self.log_prob(x, cond)

    @abstractmethod
    def _log_prob(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """log p(x): (B, *event_shape) → (B,) float64 nats."""

    def _terms(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """The same of each variable, (B, *event_shape)."""
        raise self.refusal("no term of each variable, only a sum", "reduce=True")


class Bounded(Model):
    """p(x) = E_q(z|x)[w], w = p(x, z) / q(z | x): log (1/K Σ_k w_k) lies below log p(x) on average, less so as K grows.

    With K = 1 that is the evidence lower bound, with more the bound of importance-weighted autoencoders.

    References:
        Burda, Grosse, Salakhutdinov (2016), "Importance weighted autoencoders", https://arxiv.org/abs/1509.00519
    """

    likelihood = "bound"

    def log_prob_bound(
        self,
        x: Tensor,
        cond: Tensor | None = None,
        *,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """log (1/K Σ_k w_k): on average below log p(x), (B, *event_shape) → (B,) float64 nats.

        Args:
            x: (B, *event_shape).
            cond: one per item, for a conditional model.
            samples: K.
            generator: where the draws of z come from.

        Raises:
            DomainError: if x does not lie in the domain.
        """
        check_count("samples: expected a number of draws", samples, 1)
        x = self.here(self.domain.check(x))
        cond = self.cond_here(cond)
        total = widened(self.log_weight(x, cond, generator))
        for _ in range(samples - 1):  # in constant memory
            total = torch.logaddexp(total, widened(self.log_weight(x, cond, generator)))
        return total - math.log(samples)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The bound with one draw, negated: (B,) nats."""
        return -self.log_prob_bound(x, cond)

    def valid_loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The same with draws that are always the same, whatever the device."""
        return -self.log_prob_bound(x, cond, generator=torch.Generator().manual_seed(0))

    @abstractmethod
    def log_weight(self, x: Tensor, cond: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """log p(x, z) - log q(z | x) of one z ~ q(z | x) for each of x (B, *event_shape), checked: (B,) nats.

        Its exponential has mean p(x) at most; without a generator, from torch's own.
        """


class Samples(Model):
    """Items can be drawn."""

    def sample(
        self,
        n: int,
        cond: Tensor | int | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        *,
        top_k: int | None = None,
        top_p: float | None = None,
        runner: Runner | None = None,
    ) -> Tensor:
        """Draw n items (n, *event_shape), each variable once.

        Args:
            n: how many.
            cond: one per item, or one for all.
            temperature: 1 is the model's own distribution, 0 the most probable value at each step; of flows a factor
                of z.
            generator: where the randomness comes from.
            top_k, top_p: keep only the most probable levels of each conditional.
            runner: what executes the steps: "eager", "native", or a predictive sampler; by default, on a CPU, native
                steps once they pay. A mixture takes only predictive ones, a model without steps of its own none.

        Raises:
            ChainruleError: on a bad number, or an option that the model has no use for.
            ConditionError: if the condition is missing, superfluous or of the wrong kind.
        """
        how: Any = {"top_k": top_k, "top_p": top_p, "runner": runner}
        parts = list(self.sample_parts(n, cond, temperature, generator, **how))
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def sample_parts(
        self,
        n: int,
        cond: Tensor | int | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        *,
        top_k: int | None = None,
        top_p: float | None = None,
        runner: Runner | None = None,
    ) -> Iterator[Tensor]:
        """The items of `sample`, some at a time, in memory that does not grow with n.

        Args:
            n, cond, temperature, generator, top_k, top_p, runner: as for `sample`. A predictive sampler draws all at
                once, since it counts its passes over all.

        Yields:
            (m, *event_shape), at least once.

        Raises:
            ChainruleError, ConditionError: as `sample`, with the first part.
        """
        check_count("n: expected a number of items", n, 0)
        rule = Sample(torch.empty(n, 0), temperature, top_k, top_p)
        cond = self.expand_cond(cond, n)
        rows = max(n, 1) if isinstance(runner, Predictive) else self._rows(n, cond, generator)
        noise: Any = generator if n <= rows else Continued(generator)
        for start in range(0, max(n, 1), rows):
            own = None if cond is None else cond[start : start + rows]
            m = min(rows, n - start)
            yield self._draw(m, own, replace(rule, noise=torch.empty(m, 0)), noise, runner)

    def _rows(self, n: int, cond: Tensor | None, generator: Any) -> int:
        """How many of n items are drawn at once."""
        if n <= FEW or isinstance(generator, RowNoise):  # rows that have noise of their own are few
            return max(n, 1)
        return rows_at_once(self, state_bytes(self, cond) if isinstance(self, Factorises) else 0)

    @abstractmethod
    def _draw(
        self,
        n: int,
        cond: Tensor | None,
        rule: Sample,
        generator: torch.Generator | None,
        runner: Runner | None,
    ) -> Tensor:
        """n items (n, *event_shape), with a condition for each, by a rule that has no noise yet."""


class Completes(Model):
    """What is unknown of an item can be drawn given what is known."""

    candidates = 1  # particles by default

    def complete(
        self,
        x: Tensor,
        known: Tensor,
        n: int = 1,
        generator: torch.Generator | None = None,
        *,
        cond: Tensor | int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        particles: int | None = None,
        runner: Runner | None = None,
    ) -> Tensor:
        """Draw what is unknown, n times for each item: (B, n, *event_shape), known values unchanged.

        Exact where the known variables come first in the ordering. A model of all orderings follows the one that has
        them first. Else known variables after unknown ones are kept, but with one particle the unknown ones before
        them are drawn without having seen them: this warns. With more, each draw is one of them, chosen in proportion
        to the probability of the known ones after it (sampling-importance-resampling): exact in the limit. Candidates
        of a mixture are each of a random member. With latent numbers, particles are the steps of a Markov chain.

        Args:
            x: (B, *event_shape); read only where known.
            known: booleans (*event_shape) or (B, *event_shape), True = keep.
            n: draws per item.
            generator, cond, temperature, top_k, top_p, runner: as in `sample`.
            particles: candidates for each draw; by default 1, or 16 where what is latent must be chosen too.

        Raises:
            DomainError: if x does not lie in the domain where it is known, or the mask does not fit it.
        """
        check_count("n: expected a number of draws", n, 1)
        particles = self.candidates if particles is None else particles
        check_count("particles: expected an integer", particles, 1)
        rule = Sample(torch.empty(0, 0), temperature, top_k, top_p)
        x, known = (self.here(part) for part in known_part(self.domain, x, known))
        options: Any = {"rule": rule, "particles": particles, "generator": generator, "runner": runner}
        return self._complete(x, known, n, cond=self.expand_cond(cond, len(x)), **options)

    @abstractmethod
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
        """(B, n, *event_shape) of x, 0 where unknown, and a mask, both (B, *event_shape); the rule has no noise yet."""


class Reconstructs(Model):
    """Items can be drawn from what the model makes of an item."""

    def reconstruct(self, x: Tensor, n: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """Draw n items like each of x, from its code or its latent numbers: (B, *event_shape) → (B, n, *event_shape).

        Raises:
            DomainError: if x does not lie in the domain.
        """
        check_count("n: expected a number of draws", n, 1)
        x = self.here(self.domain.check(x))
        return self._reconstruct(x, n, generator).unflatten(0, (len(x), n))

    @abstractmethod
    def _reconstruct(self, x: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        """(B, *event_shape) → (B · n, *event_shape), the draws of an item side by side."""


class Latent(Model):
    """Items have latent numbers z (B, E), between which there are others."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """The z of items: (B, *event_shape) → (B, E).

        Raises:
            DomainError: if x does not lie in the domain.
        """

    @abstractmethod
    def decode(self, z: Tensor, generator: torch.Generator | None = None, **options: Any) -> Tensor:
        """An item for each z: (B, E) → (B, *event_shape); options are those of `sample`, where chance is left."""


class Sequential(Model):
    """Variables are drawn one after another, in one ordering or in one of several that are mixed."""

    orderings = 1  # how many

    @property
    @abstractmethod
    def factorisation(self) -> Any:
        """The `AutoregressiveModel` that this is, or the first of those it mixes."""

    @abstractmethod
    def followed(self, first: Tensor) -> list[Any]:
        """The `AutoregressiveModel`s that it draws by, of which each item follows one at random.

        Args:
            first: variables (M,), on the CPU, that come first where the model can choose its ordering.
        """

    @abstractmethod
    def log_prob_given(
        self,
        x: Tensor,
        known: Tensor,
        cond: Tensor | None,
        *,
        particles: int,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log p(unknown part | known part) of x and booleans known, both (B, *event_shape).

        Returns:
            (B,) float64 nats; their standard errors, 0 where they are exact; and whether they are, or an estimate by
            `particles` draws.
        """


class Factorises(Model):
    """p(x) = ∏_t p(x_t | x_<t) in one ordering, in T steps with a state: what `engine.Stepwise` needs."""

    ordering: Ordering
    head: Head
    sites: int
    network: Any


class Marginalises(Model):
    """A missing cell is left out of the likelihood, summed over, instead of being an outcome of its own."""

    def counted(self, x: Tensor) -> Tensor:
        """Which variables of x have a term in its likelihood: booleans as x."""
        return super().counted(x) & ~x.isnan()


class ClosedForm(Model):
    """The parameters are found from the data in closed form, instead of by gradient descent."""

    @abstractmethod
    def estimate(self, x: Tensor) -> None:
        """Set the parameters from the training data x (N, *event_shape)."""
