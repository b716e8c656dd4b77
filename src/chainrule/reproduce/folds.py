"""Cross-validation on a small table: the protocol of the RNADE papers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.data import Data
from chainrule.domain import Domain
from chainrule.errors import ChainruleError

FOLDS = 10


def folds(data: Data) -> Iterator[tuple[Data, float]]:
    """Ten parts, each the test set once; of the rest, every tenth item validates.

    Reals are standardised by the mean and standard deviation of the training part before the library sees them, as
    the papers do: a likelihood in the user's units is smaller by the sum of the logarithms, given with each fold.

    Args:
        data: a vector of reals; its own splits are put together again.

    Yields:
        The fold, and Σ_d log σ_d in nats.

    Raises:
        ChainruleError: if the data are of another kind.
    """
    if data.domain.levels is not None or data.domain.layout != "vector":
        raise ChainruleError(f"folds: expected vectors of reals, got {data.domain}")
    x = torch.cat([data.train, data.valid, data.test]).double()
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]
    for k in range(FOLDS):
        chosen = torch.arange(len(x)) % FOLDS == k
        rest = x[~chosen]
        checks = torch.arange(len(rest)) % FOLDS == 0
        mean, scale = rest[~checks].mean(0), rest[~checks].std(0)
        yield (
            _standardised(data, rest[~checks], rest[checks], x[chosen], mean, scale),
            scale.log().sum().item(),
        )


def mean_of_folds(nats: list[float]) -> dict[str, float]:
    """Mean over folds, and its standard error."""
    return {"nats": statistics.mean(nats), "nats_se": statistics.stdev(nats) / len(nats) ** 0.5}


def _standardised(
    data: Data, train: Tensor, valid: Tensor, test: Tensor, mean: Tensor, scale: Tensor
) -> Data:
    train, valid, test = (((part - mean) / scale).float() for part in (train, valid, test))
    return Data(data.name, train, valid, test, Domain.vector(data.domain.size), source=data.source)
