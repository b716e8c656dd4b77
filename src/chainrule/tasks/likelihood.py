"""The mean likelihood of items, with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Model


@dataclass(frozen=True)
class Likelihood:
    """The mean negative log-likelihood of n items.

    Attributes:
        n: items.
        nats: mean of -log p(x).
        nats_se: its standard error; 0 for one item.
        bits_per_dim: nats / (D ln 2).
        bits_per_dim_se: its standard error.
    """

    n: int
    nats: float
    nats_se: float
    bits_per_dim: float
    bits_per_dim_se: float

    @classmethod
    def of(cls, log_prob: Tensor, variables: int) -> Likelihood:
        """From the log-likelihoods (n,) of items of `variables` variables."""
        n = len(log_prob)
        nats = -log_prob.mean().item()
        error = log_prob.std().item() / math.sqrt(n) if n > 1 else 0.0
        unit = variables * math.log(2)
        return cls(n, nats, error, nats / unit, error / unit)


def likelihood(model: Model, x: Tensor, cond: Tensor | None = None, *, batch_size: int = 256) -> Likelihood:
    """The mean likelihood of items x (N, *event_shape), in full precision, a batch at a time.

    Raises:
        ChainruleError: if x is empty or does not lie in the model's domain.
    """
    if len(x) == 0:
        raise ChainruleError("x: expected at least one item, got none")
    if cond is not None and len(cond) != len(x):
        raise ChainruleError(f"cond: expected one per item ({len(x)}), got {len(cond)}")
    conds: list[Tensor | None] = (
        [None] * -(-len(x) // batch_size) if cond is None else list(cond.split(batch_size))
    )
    with exact_arithmetic(model):
        parts = [
            model.log_prob(part.to(model.device), None if c is None else c.to(model.device)).cpu()
            for part, c in zip(x.split(batch_size), conds, strict=True)
        ]
    return Likelihood.of(torch.cat(parts), model.domain.size)
