"""The cost of items given their codes, for autoencoders, which have no likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from chainrule.data import Data, Items
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Autoencoder, Model


@dataclass(frozen=True)
class ReconstructionCost:
    """The mean of -log p(x | h(x)) over n items: no likelihood, since the bits of the codes h are counted nowhere.

    Attributes:
        split: whose items.
        n: items.
        numbers: in a code.
        mean: nats an item.
        se: its standard error; 0 for one item.
    """

    split: str
    n: int
    numbers: int
    mean: float
    se: float

    def to_dict(self) -> dict:
        """For JSON: split, n, reconstruction_cost and reconstruction_cost_se in nats, numbers_in_code."""
        cost = {"reconstruction_cost": self.mean, "reconstruction_cost_se": self.se}
        return {"split": self.split, "n": self.n, **cost, "numbers_in_code": self.numbers}


def reconstruction_cost(
    model: Model, data: Data | Items, split: str = "test", *, batch_size: int = 256
) -> ReconstructionCost:
    """The mean reconstruction cost of a split, in full precision, a batch at a time.

    Args:
        model: an autoencoder.
        data: in the model's domain; or items alone.
        split: "train", "valid" or "test".
        batch_size: items at once.

    Raises:
        ChainruleError: if the data do not fit the model, or the model is not an autoencoder.
    """
    if not isinstance(model, Autoencoder):
        raise ChainruleError(
            f"reconstruction_cost: expected an autoencoder, got {type(model).__name__}; evaluate gives its likelihood"
        )
    if model.domain != data.domain:
        raise ChainruleError(
            f"{data.name}: expected data in the model's domain {model.domain}, got {data.domain}"
        )
    items = data.items(split) if isinstance(data, Data) else data
    x = items.x
    with exact_arithmetic(model):
        parts = [model.reconstruction_cost(part.to(model.device)).cpu() for part in x.split(batch_size)]
    nats = torch.cat(parts)
    error = nats.std().item() / math.sqrt(len(nats)) if len(nats) > 1 else 0.0
    return ReconstructionCost(items.split, len(nats), model.bottleneck, nats.mean().item(), error)
