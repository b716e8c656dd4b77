"""What every model can do, whether it is one autoregressive factorisation or a mixture of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from chainrule.domain import INTEGERS, Domain
from chainrule.domain.tiny import TINY
from chainrule.errors import ChainruleError, ConditionError, DomainError
from chainrule.layers import Condition

# What training does differently for models of vectors: by steps, in batches that suit small tables, with patience for
# little improvements, and in single precision, which narrow densities need.
VECTOR_TRAINING = {"epochs": 0, "batch_size": 0, "patience": 20, "precision": "float32"}


class Model(nn.Module, ABC):
    """A likelihood, exact unless it says otherwise: log_prob, sample, complete.

    Args:
        domain: what is modelled.
    """

    # What is known of log p(x): "exact", "bound" (log_prob is refused, log_prob_bound lies below it), or "none" (all
    # three verbs are refused; the loss is reported under a name of its own, never among likelihoods).
    likelihood: Literal["exact", "bound", "none"] = "exact"
    # Whether `complete` draws what is unknown given what is known; a model that cannot refuses it.
    completes = True
    # Whether `reconstruct(x, n, generator)` draws items (B, n, *event_shape) from what the model makes of x.
    reconstructs = False
    # Whether `estimate` finds the parameters from the data in closed form, instead of gradient descent.
    closed_form = False
    # Whether a missing cell is left out of the likelihood, summed over, instead of being an outcome of its own.
    marginalises = False
    # What training does differently from `TrainingConfig` for this model.
    training_defaults: Mapping[str, Any] = MappingProxyType({})
    # The hyperparameters of the smallest instance for which the laws hold, where the defaults are larger.
    smallest: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, domain: Domain) -> None:
        super().__init__()
        self.domain = domain
        self.name: str | None = None  # registry name and hyperparameters, set by `create_model`
        self.hyperparameters: dict = {}

    @classmethod
    def tiny(cls, domain: Domain | None = None, **hyperparameters: Any) -> Self:
        """The smallest instance, for tests: of the `smallest` hyperparameters.

        Args:
            domain: what is modelled; by default the first of `chainrule.domain.tiny.TINY` that the model serves.
            **hyperparameters: take the place of these.

        Raises:
            DomainError: if the model cannot serve the domain, or none of the tiny ones.

        Example:
            >>> from chainrule.models.vae import VAE
            >>> VAE.tiny().domain
            Domain('vector:6:2')
        """
        sizes: Any = {**cls.smallest, **hyperparameters}
        if domain is not None:
            return cls(domain, **sizes)
        for candidate in TINY:
            with suppress(DomainError):
                return cls(candidate, **sizes)
        raise DomainError(f"{cls.__name__}: serves no tiny domain; expected one to be named: tiny(domain)")

    @abstractmethod
    def log_prob(self, x: Tensor, cond: Tensor | None = None, reduce: bool = True) -> Tensor:
        """The exact log-likelihood in nats: of each item (B,), or of each variable (B, *event_shape)."""

    def log_prob_bound(
        self,
        x: Tensor,
        cond: Tensor | None = None,
        *,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """What log p(x) is at least, in nats: (B, *event_shape) → (B,); log_prob itself where that is exact.

        Args:
            x: (B, *event_shape).
            cond: one per item, for a conditional model.
            samples: importance samples of what is latent in each item; the more, the tighter.
            generator: where these come from.
        """
        return self.log_prob(x, cond)

    @abstractmethod
    def sample(self, n: int, *args: Any, **kwargs: Any) -> Tensor:
        """Draw n items (n, *event_shape); arguments are those of `AutoregressiveModel.sample`."""

    @abstractmethod
    def complete(self, x: Tensor, known: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Draw what is unknown, n times for each item: (B, n, *event_shape), known values unchanged.

        Arguments are those of `AutoregressiveModel.complete`.
        """

    @property
    @abstractmethod
    def condition(self) -> Condition:
        """What items are conditioned on."""

    @property
    @abstractmethod
    def factorisation(self) -> Any:
        """The `AutoregressiveModel` that this is, or the first of those it mixes."""

    def counted(self, x: Tensor) -> Tensor:
        """Which variables of x have a term in its likelihood: booleans as x."""
        there = self.domain.counted(x)
        return there & ~x.isnan() if self.marginalises else there

    # --- fitting -----------------------------------------------------------------------------------

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """What training makes small, (B,) nats: the negative log-likelihood, unless a model says otherwise."""
        return -self.log_prob(x, cond)

    def valid_loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """What validation watches, (B,) nats."""
        return self.loss(x, cond)

    def prepare(self, x: Tensor) -> None:
        """Look at the training data x (N, *event_shape) before the first step; nothing to see, by default."""

    def trials(self, items: int) -> Sequence[dict]:
        """Hyperparameters that `fit` tries on this many training items, for validation to choose; may be empty."""
        return ()

    def retune(self, **hyperparameters: Any) -> None:
        """Change hyperparameters that only training reads."""
        raise NotImplementedError(f"{type(self).__name__} has no trials")

    def estimate(self, x: Tensor) -> None:
        """Set the parameters from the training data x (N, *event_shape); only if `closed_form`."""
        raise ChainruleError(
            f"{type(self).__name__} has no closed-form estimate: train it with chainrule.fit"
        )

    @property
    def exact(self) -> bool:
        """Whether there is a log-likelihood, and log_prob is it."""
        return self.likelihood == "exact"

    # --- conditions --------------------------------------------------------------------------------

    @property
    def conditional(self) -> bool:
        """Whether the model takes a condition."""
        return self.condition.expected is not None

    def check_cond(self, cond: Tensor | None) -> None:
        """Refuse a condition that an unconditional model is given."""
        if cond is not None and not self.conditional:
            raise ConditionError(f"cond: expected None, the model is unconditional; got {tuple(cond.shape)}")

    def expand_cond(self, cond: Tensor | int | None, batch: int) -> Tensor | None:
        """A condition per row: an int or a single item's label, labels, vector or map is repeated."""
        if cond is None:
            return None
        cond = torch.as_tensor(cond, device=self.device)
        rank = len(self.condition.item_shape)
        if cond.dtype not in INTEGERS:
            rank = max(1, rank)
        elif self.condition.classes is None:
            rank = 0
        single = cond.ndim in (0, rank)
        if not single and len(cond) != batch:
            raise ConditionError(f"cond: expected one or {batch}, got {len(cond)}")
        return cond.expand(batch, *cond.shape) if single else cond

    # --- where and what ----------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the parameters."""
        return next((p.dtype for p in self.parameters()), torch.get_default_dtype())
