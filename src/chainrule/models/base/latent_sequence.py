"""What sequence models with latent variables at every step share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from chainrule.devices import at_least_float32, wide_sum
from chainrule.domain import Domain
from chainrule.engine import Runner, Sample, branch, draw_noise, draw_normal, exact_arithmetic
from chainrule.engine.finite import Guard
from chainrule.engine.site import draw_site
from chainrule.errors import DomainError
from chainrule.layers import State
from chainrule.models.base.capabilities import Bounded, Samples
from chainrule.models.parts.latent_normal import LatentNormal
from chainrule.models.parts.sequence import sequence_parts


class Level(NamedTuple):
    """The latents of one level: their values (…, Z), the q they were drawn from, and their prior p."""

    z: Tensor
    q: LatentNormal
    p: LatentNormal


class LatentSequence(Bounded, Samples):
    """p(x, z) = ∏_t p(z_t | x_<t, z_<t) p(x_t | z_≤t, x_<t), with q(z | x) = ∏_t q(z_t | x_≤t, z_<t).

    With K draws the bound weighs whole sequences of latents, as importance-weighted autoencoders do: no particle is
    resampled on the way. Neither the steps after the end of an item nor their latents belong to any term.

    Args:
        domain: sequences of levels, of any kind of lengths.
        latents: Z, numbers of z_t.
        output, encoding: see `models.sequence` and `models.encoding`.

    Shapes: B items, T steps of V variables, C channels of a step's code, P parameters of a step.

    Raises:
        DomainError: if the domain is not one of sequences of levels.
    """

    def __init__(self, domain: Domain, *, latents: int, output: str, encoding: str | None) -> None:
        if domain.layout != "sequence" or not domain.discrete:
            raise DomainError(f"expected sequences of levels, such as sequence:64:27, got {domain}")
        super().__init__(domain)
        self.latents = latents
        self.code, self.channels, self.head, self.steps = sequence_parts(
            domain, encoding=encoding, output=output
        )

    @abstractmethod
    def infer(self, codes: Tensor, noise: Tensor) -> tuple[Tensor, Sequence[Level]]:
        """Draw z ~ q(z | x): codes (B, T, C), normal noise (B, T, Z) → parameters (B, T, P) of x given z, and z."""

    @abstractmethod
    def begin(self, batch: int) -> State:
        """The state before step 0."""

    @abstractmethod
    def emit(self, state: State, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Draw z_t from its prior: normal noise (B, Z) → parameters (B, P) of x_t, and what `absorb` needs of z_t."""

    @abstractmethod
    def absorb(self, code: Tensor, drawn: Tensor, state: State, t: Tensor) -> State:
        """The state after step t, whose code is (B, C)."""

    # --- the verbs -------------------------------------------------------------------------------

    def log_weight(self, x: Tensor, cond: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """Σ_t log p(x_t | z) + log p(z_t) - log q(z_t): (B, *event_shape) → (B,) float64 nats."""
        terms, levels = self._reconstruction(x, generator)
        for level in levels:
            terms = terms + level.p.log_density(level.z) - level.q.log_density(level.z)
        return self._total(terms, x)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The bound with one draw, negated, each KL(q ‖ p) in closed form: (B,) nats."""
        x = self.domain.check(x)
        self.check_cond(cond)
        terms, levels = self._reconstruction(x, None)
        for level in levels:
            terms = terms - level.q.divergence(level.p)
        return -self._total(terms, x)

    def _draw(
        self,
        n: int,
        cond: Tensor | None,
        rule: Sample,
        generator: torch.Generator | None,
        runner: Runner | None,
    ) -> Tensor:
        """Step by step: z_t from its prior, then x_t, of which temperature, top_k and top_p are."""
        if runner is not None:
            raise self.refusal("no runners of its steps", "sample without one")
        noise = self._normal(n, branch(generator))
        rule = replace(rule, noise=draw_noise(n, self.domain.size, generator, self.device))
        clock = torch.arange(self.steps, device=self.device)
        drawn = []
        with exact_arithmetic(self):
            state, guard = self.begin(n), Guard(self, self.device, self.steps)
            for t in range(self.steps):
                params, z = self.emit(state, noise[:, t])
                guard.see(params, t)
                variables = draw_site(self.head, params, rule, t, torch.int64)
                drawn.append(torch.stack([value for value, _ in variables], dim=1))
                if t + 1 < self.steps:
                    state = self.absorb(self.code(drawn[-1]), z, state, clock[t])
            guard.close()
        return self.domain.canonicalise(torch.stack(drawn, dim=1).reshape(n, *self.domain.event_shape))

    # --- their parts -----------------------------------------------------------------------------

    def _reconstruction(self, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Sequence[Level]]:
        """log p(x_t | z) of each step (B, T), and the z that were drawn."""
        sites = self._sites(x).clamp(min=0)
        params, levels = self.infer(self.code(sites), self._normal(len(x), generator))
        return self.head.log_prob(at_least_float32(params), sites).sum(-1), levels

    def _total(self, terms: Tensor, x: Tensor) -> Tensor:
        """Terms of steps (B, T) → their sum over the steps there are (B,)."""
        there = self._sites(self.domain.counted(x))[..., 0]
        return wide_sum(torch.where(there, terms, 0.0), 1)

    def _sites(self, x: Tensor) -> Tensor:
        """(B, *event_shape) → (B, T, V)."""
        return x.reshape(len(x), self.steps, self.head.variables)

    def _normal(self, batch: int, generator: torch.Generator | None) -> Tensor:
        """(B, T, Z)."""
        noise = draw_normal(batch, self.steps * self.latents, generator, self.device)
        return noise.reshape(batch, self.steps, self.latents).to(self.dtype)


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """One hidden layer: (…, inputs) → (…, outputs)."""
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))
