"""How well a score separates two sets."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.errors import ChainruleError


class AUROC(NamedTuple):
    """The area under the receiver operating characteristic.

    Attributes:
        area: the probability that an anomalous item scores higher than a normal one, a tie counting half.
        se: its standard error.
    """

    area: float
    se: float


def auroc(usual: Tensor, strange: Tensor) -> AUROC:
    """The area for scores of normal items (M,) and of anomalous ones (N,), which should be higher.

    Raises:
        ChainruleError: unless there are at least two of each.

    References:
        DeLong, DeLong, Clarke-Pearson (1988), "Comparing the areas under two or more correlated receiver operating
        characteristic curves", Biometrics 44, for the standard error.

    Example:
        >>> auroc(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 2.0])).area
        0.75
    """
    from scipy.stats import rankdata  # slow to import, and only needed here

    m, n = len(usual), len(strange)
    if min(m, n) < 2:
        raise ChainruleError(f"auroc: expected at least two items of either kind, got {m} and {n}")
    both = torch.from_numpy(rankdata(torch.cat([usual, strange]).double().numpy()))
    # Ranks among all, less those among one's own kind, count the items of the other kind below.
    below_strange = (both[m:] - torch.from_numpy(rankdata(strange.double().numpy()))) / m
    above_usual = 1 - (both[:m] - torch.from_numpy(rankdata(usual.double().numpy()))) / n
    area = below_strange.mean().item()
    return AUROC(area, math.sqrt((below_strange.var() / n + above_usual.var() / m).item()))
