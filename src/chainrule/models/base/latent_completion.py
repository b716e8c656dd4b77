"""Draw what is unknown of an item whose latent numbers must fit what is known."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.devices import widened
from chainrule.engine import Runner, Sample, branch, draw_noise, exact_arithmetic
from chainrule.errors import ApproximateCompletionWarning
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import Completes


class LatentCompletion(Completes):
    """Completions of p(x) = ∫ N(z; 0, I) p(x | z) dz with an approximate posterior q(z | x).

    Attributes:
        decoder: p(x | z).
        upward: z (B, E) → the condition of the decoder.
    """

    candidates = 16
    decoder: AutoregressiveModel
    upward: nn.Module

    @abstractmethod
    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ of q(z | x): (B, *event_shape) → (B, E) twice."""

    @abstractmethod
    def normal(self, rows: int, generator: torch.Generator | None) -> Tensor:
        """Standard normal numbers (rows, E), row by row."""

    @abstractmethod
    def log_ratio(self, z: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """log N(z; μ, σ²) - log N(z; 0, I): (B, E) thrice → (B,) nats."""

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
        """Metropolis within Gibbs: n chains an item, whose law tends to p(z, unknown | known) as they grow longer.

        A chain starts at z ~ N(0, I), and in each of its `particles` steps

        - z' ~ r(z) = ½ q(z | x) + ½ N(0, I) takes the place of z with probability
          min(1, p(x, z') r(z) / p(x, z) r(z')): the encoder has seen all of x as it is now; the prior lets a chain
          leave where an encoder has never been;
        - what is unknown is drawn anew from the decoder's conditionals with the known values kept, and is taken with
          probability min(1, K' / K), K the product of the conditionals of what is known: 1 where that comes first, or
          where the decoder's variables are independent.

        Temperature, top_k and top_p are of the last draw of what is unknown; the chain has none. Exact in the limit
        only, also where the known variables come first: this warns.

        References:
            Mattei, Frellsen (2018), "Leveraging the exact likelihood of deep latent variable models", algorithm 2,
            https://arxiv.org/abs/1802.04826. The prior among the proposals and the second acceptance are ours.
        """
        if runner is not None:
            raise self.refusal("no runners of completions", "complete without one")
        informed = known.flatten(1).any(1)
        if (informed & ~known.flatten(1).all(1)).any():
            warnings.warn(
                f"latent variables are drawn by {particles} steps of a Markov chain, which reaches their distribution "
                "given the known values only after many; particles=100, say, takes more",
                ApproximateCompletionWarning,
                stacklevel=3,
            )
        values, mask = x.repeat_interleave(n, 0), known.repeat_interleave(n, 0)
        with exact_arithmetic(self):
            chain = Chain(self, values, mask, informed.repeat_interleave(n, 0), generator)
            for _ in range(particles if informed.any() else 0):
                chain.move_latent()
                chain.move_unknown()
            if (rule.temperature, rule.top_k, rule.top_p) != (1.0, None, None):
                chain.x, _ = chain.draw(chain.z, chain.stream(), rule)
            return chain.x.unflatten(0, (len(x), n))


class Chain:
    """A row of Markov chains, of which those without known values stay where they start.

    Attributes:
        x: (B, *event_shape), with the known values.
        z: (B, E).
        terms: Σ_{known} log p(x_d | x_<d, z), (B,) nats.
    """

    def __init__(
        self,
        model: LatentCompletion,
        x: Tensor,
        known: Tensor,
        informed: Tensor,
        generator: torch.Generator | None,
    ) -> None:
        self.model, self.x, self.known, self.informed = model, x, known, informed
        self._branches, self._drawn = branch(generator), 0
        self.z = model.normal(len(x), self.stream())
        self.x, self.terms = self.draw(self.z, generator)

    def stream(self) -> torch.Generator:
        """The next draw's own, so that no draw depends on the rows of another."""
        self._drawn += 1
        return branch(self._branches, self._drawn)

    def draw(
        self, z: Tensor, generator: torch.Generator | None, rule: Sample | None = None
    ) -> tuple[Tensor, Tensor]:
        """What is unknown given z, known values kept; and the terms of these."""
        noise = draw_noise(len(z), self.model.domain.size, generator, z.device)
        rule = Sample(noise) if rule is None else replace(rule, noise=noise)
        return self.model.decoder.force(self.x, self.known, rule, self.model.upward(z))

    def move_latent(self) -> None:
        """z given x, all of it."""
        model, x, z = self.model, self.x, self.z
        mean, log_scale = model.posterior(x)
        prior = model.normal(len(z), self.stream())
        from_encoder = (self.uniform() < 0.5)[:, None]
        proposed = torch.where(from_encoder, mean + log_scale.exp() * prior, prior)
        here, there = self.score(z), self.score(proposed)
        # log p(z) / r(z), but for a constant.
        was, new = (-F.softplus(model.log_ratio(value, mean, log_scale)) for value in (z, proposed))
        moves = self.informed & (self.uniform().log() < there.sum(1) - here.sum(1) + new - was)
        self.z = torch.where(moves[:, None], proposed, z)
        terms = torch.where(moves[:, None], there, here)
        self.terms = torch.where(self.known.flatten(1), terms, 0.0).sum(1)

    def move_unknown(self) -> None:
        """What is unknown, given z and what is known."""
        x, terms = self.draw(self.z, self.stream())
        moves = self.informed & (self.uniform().log() < terms - self.terms)
        self.x = torch.where(moves.reshape(-1, *[1] * (x.ndim - 1)), x, self.x)

    def score(self, z: Tensor) -> Tensor:
        """log p(x_d | x_<d, z) of every variable, (B, D) nats."""
        terms = self.model.decoder.log_prob(self.x, self.model.upward(z), reduce=False)
        return widened(terms).flatten(1)

    def uniform(self) -> Tensor:
        """A number in [0, 1) a row."""
        return draw_noise(len(self.x), 1, self.stream(), self.x.device)[:, 0]
