"""What every model can do, whether it is one autoregressive factorisation or a mixture of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from inspect import getattr_static
from types import MappingProxyType
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from chainrule import late
from chainrule.domain import INTEGERS, Domain
from chainrule.domain.tiny import TINY
from chainrule.errors import ChainruleError, ConditionError, DomainError, MissingVerbError
from chainrule.layers import Condition

# What training does differently for models of vectors: by steps, in batches that suit small tables, with patience for
# little improvements, and in single precision, which narrow densities need.
VECTOR_TRAINING = {"least_steps": 12_000, "batch_size": 0, "patience": 20, "precision": "float32"}


class Lacks:
    """A verb that a model does not have: no such attribute; a model says why, and what to use, see `__getattr__`.

    Args:
        what: "no exact likelihood", say.
        instead: what to use.
    """

    def __init__(self, what: str, instead: str) -> None:
        self.what, self.instead = what, instead

    def __get__(self, model: Model | None, owner: type[Model]) -> Any:
        """Raise an AttributeError."""
        raise AttributeError(f"{owner.__name__} has {self.what}")


class Model(nn.Module, ABC):
    """A model of a domain. Its verbs are capabilities, `models.base.capabilities`, which it inherits.

    Args:
        domain: what is modelled.
    """

    # What is known of log p(x): "exact", "bound" or "none".
    likelihood: Literal["exact", "bound", "none"] = "none"
    log_prob: Any = Lacks(
        "no exact likelihood: p(x) is an integral over what is latent", "log_prob_bound(x, samples=K)"
    )
    log_prob_bound: Any = Lacks("no likelihood, nor a bound of it", "loss(x)")
    sample: Any = Lacks("no distribution to draw from", "another model")
    sample_parts: Any = sample
    complete: Any = Lacks(
        "no conditionals of some variables given others", "an autoregressive model, or sample"
    )
    factorisation: Any = Lacks("no factorisation over the variables of an item", "log_prob_bound, or sample")
    estimate: Any = Lacks("no closed-form estimate", "chainrule.fit")
    # What training does differently from `TrainingConfig` for this model.
    training_defaults: Mapping[str, Any] = MappingProxyType({})
    # The hyperparameters of the smallest instance for which the laws hold, where the defaults are larger.
    smallest: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, domain: Domain) -> None:
        super().__init__()
        self.domain = domain
        self.name: str | None = None  # registry name and hyperparameters, set by `create_model`
        self.hyperparameters: dict = {}

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:  # torch's, which would take the place of what a verb says
            verb = getattr_static(type(self), name, None)
            if isinstance(verb, Lacks):
                raise MissingVerbError(str(self.refusal(verb.what, verb.instead))) from None
            raise

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

    @property
    def condition(self) -> Condition:
        """What items are conditioned on: nothing, unless a model says otherwise."""
        return Condition(0)

    def counted(self, x: Tensor) -> Tensor:
        """Which variables of x have a term in its likelihood: booleans as x."""
        return self.domain.counted(x)

    def push_to_hub(self, repo: str, **options: Any) -> str:
        """Upload the model to the Hugging Face hub; see `Run.push_to_hub`, which also says what it was trained on."""
        return late.push_to_hub(self, repo, **options)

    # --- fitting -----------------------------------------------------------------------------------

    @abstractmethod
    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The training loss, (B,) nats."""

    def valid_loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """What validation watches, (B,) nats."""
        return self.loss(x, cond)

    def prepare(self, x: Tensor) -> None:
        """Look at the training data x (N, *event_shape) before the first step; nothing to see, by default."""

    def remember(self, *splits: Tensor) -> None:
        """Keep what is read from data (N, *event_shape) again and again; called for a copy that lives for training."""

    def trials(self, items: int) -> Sequence[dict]:
        """Hyperparameters that `fit` tries on this many training items, for validation to choose; may be empty."""
        return ()

    def retune(self, **hyperparameters: Any) -> None:
        """Change hyperparameters that only training reads."""
        raise NotImplementedError(f"{type(self).__name__} has no trials")

    @property
    def exact(self) -> bool:
        """Whether there is a log-likelihood, and log_prob is it."""
        return self.likelihood == "exact"

    def refusal(self, what: str, instead: str) -> ChainruleError:
        """An error that names what is missing and what to use instead."""
        return ChainruleError(f"{self.name or type(self).__name__} has {what}; use {instead}")

    # --- conditions --------------------------------------------------------------------------------

    @property
    def conditional(self) -> bool:
        """Whether the model takes a condition."""
        return self.condition.expected is not None

    def check_cond(self, cond: Tensor | None) -> None:
        """Refuse a condition that an unconditional model is given."""
        if cond is not None and not self.conditional:
            raise ConditionError(f"cond: expected None, the model is unconditional; got {tuple(cond.shape)}")

    def cond_here(self, cond: Tensor | None) -> Tensor | None:
        """A condition on the model's device, or none.

        Raises:
            ConditionError: if the model is unconditional.
        """
        self.check_cond(cond)
        return None if cond is None else self.here(cond)

    def expand_cond(self, cond: Tensor | int | None, batch: int) -> Tensor | None:
        """A condition per row: an int or a single item's label, labels, vector or map is repeated.

        Raises:
            ConditionError: if the model is unconditional, or there are neither one nor `batch`.
        """
        if cond is None:
            return None
        cond = torch.as_tensor(cond, device=self.device)
        self.check_cond(cond)
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

    def here(self, x: Tensor) -> Tensor:
        """The same on the device of the parameters."""
        return x if next(self.parameters(), None) is None else x.to(self.device)

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the parameters."""
        return next((p.dtype for p in self.parameters()), torch.get_default_dtype())
