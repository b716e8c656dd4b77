"""Speculative sampling: a draft draws ahead with the target's own noise, and the target checks it in one pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule.engine.choice import Choice, Known
from chainrule.engine.precision import exact_arithmetic
from chainrule.engine.predictive import Predictive, TwoModes, Undecided
from chainrule.engine.rollout import Rollout, rollout
from chainrule.errors import ChainruleError, DomainError


class Speculative(Predictive):
    """A cheap model draws `ahead` sites by its steps; what the target would have drawn from the same noise is kept.

    Published schemes accept a draft's value with probability min(1, p / q), which gives another sample of the target's
    distribution. Here draft and target read the same noise, and values are kept as long as both choose alike: the
    sample is that of `model.sample`. Two choices by the quantile at one number agree less often than min(1, p / q)
    would accept where levels have no order, as letters have none.

    Args:
        draft: another model of the same domain and ordering; unconditional, or under the same condition.
        ahead: sites that it draws before the target checks.

    References:
        Leviathan, Kalman, Matias (2023), "Fast inference from transformers via speculative decoding",
        https://arxiv.org/abs/2211.17192
        Chen et al. (2023), "Accelerating large language model decoding with speculative sampling",
        https://arxiv.org/abs/2302.01318

    Raises:
        ChainruleError: if `ahead` is below 1.
    """

    def __init__(self, draft: Any, *, ahead: int = 8) -> None:
        super().__init__()
        if ahead < 1:
            raise ChainruleError(f"ahead: expected a number of sites ≥ 1, got {ahead}")
        self.draft, self.ahead = draft, ahead

    def stop(self, start: int, length: int) -> int:
        """The last site that the draft draws, exclusive."""
        return start + self.ahead

    def rollout(self, model: TwoModes, choose: Choice, batch: int, **options: Any) -> Rollout:
        """See `Predictive.rollout`.

        Raises:
            DomainError: if the draft is of another domain or ordering, or values are reals, which never agree.
        """
        if not model.domain.discrete:
            raise DomainError(f"draft: expected levels, on which two models can agree, got {model.domain}")
        if self.draft.domain != model.domain:
            raise DomainError(f"draft: expected a model of {model.domain}, got one of {self.draft.domain}")
        if not torch.equal(self.draft.ordering.variables, model.ordering.variables):
            raise DomainError("draft: expected the ordering of the model, got another")
        with exact_arithmetic(self.draft):
            return super().rollout(model, choose, batch, **options)

    def guess(self, undecided: Undecided) -> Tensor:
        """The forecast: what the draft draws given the final values."""
        variables, flat = undecided.values.shape[2], undecided.values.flatten(1)
        known = torch.arange(flat.shape[1], device=flat.device) < undecided.final[:, None] * variables
        # Its sites may be of other sizes than the target's.
        own = self.draft.head.variables
        first, end = undecided.start * variables // own, -(-undecided.stop * variables // own)
        drawn = rollout(
            self.draft,
            Known(flat, known, undecided.rule),
            len(flat),
            cond=undecided.cond if self.draft.conditional else None,
            prefix=flat[:, : first * own].unflatten(1, (first, own)),
            stop=end,
            device=flat.device,
            dtype=self.draft.dtype,
        )
        guess = flat.clone()
        guess[:, : end * own] = drawn.values.flatten(1)
        return guess.unflatten(1, undecided.values.shape[1:])
