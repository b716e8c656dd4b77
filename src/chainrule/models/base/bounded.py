"""Models with a latent variable that cannot be summed over: they give a bound of log p(x)."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Literal, NoReturn

import torch
from torch import Tensor

from chainrule.errors import ChainruleError, check_count
from chainrule.layers import Condition
from chainrule.models.base.model import Model


class BoundedModel(Model):
    """p(x) = E_q(z|x)[w], w = p(x, z) / q(z | x): log (1/K Σ_k w_k) lies below log p(x) on average, less so as K grows.

    With K = 1 that is the evidence lower bound, with more the bound of importance-weighted autoencoders.

    References:
        Burda, Grosse, Salakhutdinov (2016), "Importance weighted autoencoders", https://arxiv.org/abs/1509.00519
    """

    likelihood: Literal["exact", "bound", "none"] = "bound"
    completes = False

    @abstractmethod
    def log_weight(self, x: Tensor, cond: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """log p(x, z) - log q(z | x) of one z ~ q(z | x) for each of x (B, *event_shape), checked: (B,) nats.

        Its exponential has mean p(x) at most; without a generator, from torch's own.
        """

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
        x = self.domain.check(x)
        self.check_cond(cond)
        total = self.log_weight(x, cond, generator).double()
        for _ in range(samples - 1):  # in constant memory
            total = torch.logaddexp(total, self.log_weight(x, cond, generator).double())
        return total - math.log(samples)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The bound with one draw, negated: (B,) nats."""
        return -self.log_prob_bound(x, cond)

    def valid_loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The same with draws that are always the same."""
        return -self.log_prob_bound(x, cond, generator=torch.Generator(x.device).manual_seed(0))

    @property
    def condition(self) -> Condition:
        """None, unless a model says otherwise."""
        return Condition(0)

    def log_prob(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: log p(x) is an integral over what is latent."""
        raise self.refusal(
            "no exact likelihood: p(x) is an integral over what is latent", "log_prob_bound(x, samples=K)"
        )

    def complete(self, *args: Any, **kwargs: Any) -> Any:
        """Refused, unless a model can."""
        raise self.refusal(
            "no conditionals of some variables given others", "an autoregressive model, or sample"
        )

    @property
    def factorisation(self) -> NoReturn:
        """Refused: p(x) is not factorised over the variables of x."""
        raise self.refusal("no factorisation over the variables of an item", "log_prob_bound, or sample")

    def refusal(self, what: str, instead: str) -> ChainruleError:
        """An error that names what is missing and what to use instead."""
        return ChainruleError(f"{self.name or type(self).__name__} has {what}; use {instead}")
