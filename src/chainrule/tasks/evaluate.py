"""How likely held-out data is, beside the baselines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from chainrule.data import Data
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Model, create_model

BASELINES = ("uniform", "independent", "gaussian")


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


@dataclass(frozen=True)
class Evaluation:
    """A model and the baselines on one split.

    Attributes:
        split: its name.
        model: the model's likelihood.
        baselines: name → likelihood.
    """

    split: str
    model: Likelihood
    baselines: dict[str, Likelihood] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Flat, for JSON: split, n, nats, nats_se, bits_per_dim, bits_per_dim_se, baselines."""
        baselines = {name: vars(value) for name, value in self.baselines.items()}
        return {"split": self.split, **vars(self.model), "baselines": baselines}


def likelihood(
    model: Model, x: Tensor, cond: Tensor | None = None, *, batch_size: int = 256
) -> Likelihood:
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


def evaluate(
    model: Model, data: Data, split: str = "test", *, baselines: bool = True
) -> Evaluation:
    """Likelihood of a split under the model, and under baselines estimated from the training split.

    Args:
        model: unconditional, or conditional on the data's labels.
        data: in the model's domain.
        split: "train", "valid" or "test".
        baselines: whether to add uniform, independent and gaussian, where they serve the domain.

    Raises:
        ChainruleError: if the data do not fit the model.
    """
    x, labels = data.split(split)
    if model.domain != data.domain:
        raise ChainruleError(
            f"{data.name}: expected data in the model's domain {model.domain}, got {data.domain}"
        )
    if model.conditional and labels is None:
        raise ChainruleError(f"{data.name}: the model is conditional, expected labels, found none")
    own = likelihood(model, x, labels if model.conditional else None)
    return Evaluation(split, own, _baselines(data, x) if baselines else {})


def _baselines(data: Data, x: Tensor) -> dict[str, Likelihood]:
    results = {}
    for name in BASELINES:
        try:
            baseline = create_model(name, data.domain)
        except ChainruleError:
            continue  # not for this domain
        baseline.estimate(data.train)
        results[name] = likelihood(baseline, x)
    return results
