"""bits/dim: the unit in which models of items of different sizes are compared."""

from __future__ import annotations

import math
from typing import Any

from chainrule.domain import Domain


def bits_per_dim(nats: Any, variables: Any) -> Any:
    """Nats / (variables · ln 2), variables those that have a term in the nats: `Model.counted`.

    Of one item both are its own; of many they are totals, all nats over all variables. The mean of the items' own rates
    would be another number where items differ in length.

    Args:
        nats: -log p, a number or a tensor.
        variables: how many, likewise.

    Example:
        >>> bits_per_dim(math.log(2) * 24, 8)
        3.0
    """
    return nats / (variables * math.log(2))


def is_density(domain: Domain) -> bool:
    """Whether likelihoods are densities, which change with the unit of a real: their -log2 is not a code length."""
    if domain.columns:
        return any(column.has_density for column in domain.columns)
    return domain.levels is None
