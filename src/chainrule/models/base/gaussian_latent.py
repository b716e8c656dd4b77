"""Latent numbers with a Gaussian prior and a Gaussian posterior: what VAEs of every decoder share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.engine import Runner, Sample, branch, draw_normal, exact_arithmetic
from chainrule.heads.kernels import LOG_SCALES
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import Bounded, Latent, Reconstructs, Samples
from chainrule.models.base.latent_completion import LatentCompletion


class GaussianLatent(Bounded, Samples, LatentCompletion, Reconstructs, Latent):
    """p(x) = ∫ N(z; 0, I) p(x | z) dz, bounded with q(z | x) = N(z; μ(x), diag σ(x)²).

    Args:
        domain: what is modelled.
        latent: E numbers of z.
        encoder: what `codes` gives → (B, 2E), μ and log σ.
        upward: z (B, E) → the condition of the decoder.
        decoder: p(x | z), with an exact likelihood.

    Shapes: B items, E latent numbers.

    References:
        Kingma, Welling (2014), "Auto-encoding variational Bayes", https://arxiv.org/abs/1312.6114
    """

    def __init__(
        self,
        domain: Domain,
        *,
        latent: int,
        encoder: nn.Module,
        upward: nn.Module,
        decoder: AutoregressiveModel,
    ) -> None:
        super().__init__(domain)
        self.latent = latent
        self.encoder, self.upward, self.decoder = encoder, upward, decoder

    def codes(self, x: Tensor) -> Tensor:
        """How x, checked, enters the encoder: levels evenly on [-1, 1], unless a model says otherwise."""
        return 2 * x.to(self.dtype) / max(self.domain.max_levels - 1, 1) - 1

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ of q(z | x): (B, *event_shape) → (B, E) twice.

        Raises:
            DomainError: if x does not lie in the domain.
        """
        numbers = self.encoder(self.codes(self.here(self.domain.check(x)))).to(
            self.dtype
        )  # also under autocast
        mean, log_scale = numbers.chunk(2, dim=1)
        return mean, log_scale.clamp(*LOG_SCALES)

    # --- the bound -------------------------------------------------------------------------------

    def log_weight(self, x: Tensor, cond: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """log p(x | z) + log N(z; 0, I) - log q(z | x) of one z ~ q(z | x): (B,) nats."""
        mean, log_scale = self.posterior(x)
        z = mean + log_scale.exp() * self.normal(len(x), generator)
        return self.decoder.log_prob(x, self.upward(z)) - self.log_ratio(z, mean, log_scale)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """KL(q(z | x) || N(0, I)) - log p(x | z) of one z: the bound's mean over the rest of its noise, (B,) nats."""
        self.check_cond(cond)
        mean, log_scale = self.posterior(x)
        z = mean + log_scale.exp() * torch.randn_like(mean)  # of training, where no row is drawn twice
        return self.divergence(mean, log_scale) - self.decoder.log_prob(x, self.upward(z))

    def log_ratio(self, z: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """log N(z; μ, σ²) - log N(z; 0, I): (B, E) thrice → (B,) nats."""
        standard = (z - mean) * torch.exp(-log_scale)
        return ((z.square() - standard.square()) / 2 - log_scale).sum(1)

    def divergence(self, mean: Tensor, log_scale: Tensor) -> Tensor:
        """KL(N(μ, σ²) || N(0, I)): (B, E) twice → (B,) nats."""
        return ((mean.square() + (2 * log_scale).exp() - 1) / 2 - log_scale).sum(1)

    def normal(self, rows: int, generator: torch.Generator | None) -> Tensor:
        """Standard normal numbers (rows, E), row by row."""
        return draw_normal(rows, self.latent, generator, self.device).to(self.dtype)

    # --- the verbs -------------------------------------------------------------------------------

    def _draw(
        self,
        n: int,
        cond: Tensor | None,
        rule: Sample,
        generator: torch.Generator | None,
        runner: Runner | None,
    ) -> Tensor:
        """z ~ N(0, I), then x ~ p(x | z), of which temperature, top_k and top_p are."""
        z = self.normal(n, branch(generator))
        with exact_arithmetic(self):
            return self.decoder._draw(n, self.upward(z), rule, generator, runner)

    def _reconstruct(self, x: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        """z ~ q(z | x), then an item from p(· | z)."""
        with exact_arithmetic(self):
            mean, log_scale = (part.repeat_interleave(n, 0) for part in self.posterior(x))
        z = mean + log_scale.exp() * self.normal(len(mean), branch(generator))
        return self.decode(z, generator)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of q(z | x): (B, *event_shape) → (B, E)."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor, generator: torch.Generator | None = None, **options: Any) -> Tensor:
        """Draw an item from p(x | z) for each of z: (B, E) → (B, *event_shape); options are those of `sample`."""
        with exact_arithmetic(self):
            return self.decoder.sample(len(z), self.upward(z), generator=generator, **options)
