"""What autoencoders with an autoregressive decoder can do, which does not include the probability of an item."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NoReturn

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError, check_count
from chainrule.layers import Condition
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.model import Model


class Autoencoder(Model):
    """x → a code h of E numbers → p(x | h), trained end to end to make -log p(x | h(x)) small: a reconstruction cost.

    It is not a likelihood: h has seen x, and the cost of h itself is not counted. The decoder alone, given any h, is an
    exact model of p(x | h), and obeys every law.

    Args:
        domain: what is encoded.
        bottleneck: E.

    Shapes: B items, E numbers of a code.
    """

    likelihood = "none"
    completes = False
    reconstructs = True
    decoder: AutoregressiveModel  # of p(x | h), with the code h (B, E) as its condition

    def __init__(self, domain: Domain, *, bottleneck: int) -> None:
        super().__init__(domain)
        self.bottleneck = bottleneck
        self._no_condition = Condition(0)

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

    def reconstruct(self, x: Tensor, n: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """Draw n items from p(· | h(x)) for each of x: (B, *event_shape) → (B, n, *event_shape).

        Raises:
            DomainError: if x does not lie in the domain.
        """
        check_count("n: expected a number of draws", n, 1)
        with exact_arithmetic(self):
            codes = self.encode(x).repeat_interleave(n, 0)
            drawn = self.decoder.sample(len(codes), codes, generator=generator)
        return drawn.unflatten(0, (len(x), n))

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The reconstruction cost, (B,) nats."""
        self.check_cond(cond)
        return self.reconstruction_cost(x)

    @property
    def condition(self) -> Condition:
        """None: the code comes from the item."""
        return self._no_condition

    # --- what only a likelihood can do -----------------------------------------------------------

    def log_prob(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: log p(x | h(x)) is not log p(x)."""
        raise self._refusal(
            "log p(x | h(x)) leaves out what the code h costs",
            "reconstruction_cost(x), or decoder.log_prob(x, h)",
        )

    def log_prob_bound(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: a code that is any real number costs infinitely many nats, so there is no bound either."""
        raise self._refusal(
            "log p(x | h(x)) leaves out what the code h costs",
            "reconstruction_cost(x), or decoder.log_prob(x, h)",
        )

    def sample(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: no distribution over codes has been learnt."""
        raise self._refusal(
            "there is no distribution of codes h to draw from", "reconstruct(x), or decoder.sample(n, h)"
        )

    def complete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: the code of an item would have seen what is unknown of it."""
        raise self._refusal(
            "a code h(x) has seen all of x, also what is unknown",
            "reconstruct(x), or decoder.complete(x, known, cond=h)",
        )

    @property
    def factorisation(self) -> NoReturn:
        """Refused: p(x) is not factorised, p(x | h) is."""
        raise self._refusal("p(x) is not factorised, only p(x | h) is", "decoder")

    def _refusal(self, why: str, instead: str) -> ChainruleError:
        name = self.name or type(self).__name__
        return ChainruleError(f"{name} has no exact likelihood: {why}; use {instead}")
