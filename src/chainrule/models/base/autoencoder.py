"""What autoencoders with an autoregressive decoder can do, which does not include the probability of an item."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import Reconstructs
from chainrule.models.base.model import Lacks


class Autoencoder(Reconstructs):
    """x → a code h of E numbers → p(x | h), trained end to end to make -log p(x | h(x)) small: a reconstruction cost.

    It is not a likelihood: h has seen x, and the cost of h itself is not counted. The decoder alone, given any h, is an
    exact model of p(x | h), and obeys every law.

    Args:
        domain: what is encoded.
        bottleneck: E.

    Shapes: B items, E numbers of a code.
    """

    log_prob = Lacks(
        "no exact likelihood: log p(x | h(x)) leaves out what the code h costs",
        "reconstruction_cost(x), or decoder.log_prob(x, h)",
    )
    # A code that is any real number costs infinitely many nats, so there is no bound either.
    log_prob_bound = log_prob
    sample = Lacks(
        "no exact likelihood: there is no distribution of codes h to draw from",
        "reconstruct(x), or decoder.sample(n, h)",
    )
    sample_parts = sample
    complete = Lacks(
        "no exact likelihood: a code h(x) has seen all of x, also what is unknown",
        "reconstruct(x), or decoder.complete(x, known, cond=h)",
    )
    factorisation = Lacks("no exact likelihood: p(x) is not factorised, only p(x | h) is", "decoder")
    decoder: AutoregressiveModel  # of p(x | h), with the code h (B, E) as its condition

    def __init__(self, domain: Domain, *, bottleneck: int) -> None:
        super().__init__(domain)
        self.bottleneck = bottleneck

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """The code h(x): (B, *event_shape) → (B, E).

        Raises:
            DomainError: if x does not lie in the domain.
        """

    def reconstruction_cost(self, x: Tensor) -> Tensor:
        """-log p(x | h(x)): (B, *event_shape) → (B,) nats.

        Raises:
            DomainError: if x does not lie in the domain.
        """
        return -self.decoder.log_prob(x, self.encode(x))

    def _reconstruct(self, x: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        """From p(· | h(x))."""
        with exact_arithmetic(self):
            codes = self.encode(x).repeat_interleave(n, 0)
            return self.decoder.sample(len(codes), codes, generator=generator)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The reconstruction cost, (B,) nats."""
        self.check_cond(cond)
        return self.reconstruction_cost(x)
