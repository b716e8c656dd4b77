"""What the floor under the scales of densities does to a likelihood."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from chainrule.heads import Mixture, NumberHead
from chainrule.models import Model
from chainrule.tasks.likelihood import likelihood

# Smallest scales, in units of a column's own: that of the heads, and ten and a hundred times as much.
FLOORS = (9.1e-4, 1e-2, 1e-1)


@contextmanager
def floored(model: Model, smallest: float) -> Iterator[None]:
    """The model with no component of a density narrower than `smallest` of its column's scale."""
    heads = [module for module in model.modules() if isinstance(module, Mixture | NumberHead)]
    before = [head.floor for head in heads]
    for head in heads:
        head.floor = math.log(smallest)
    try:
        yield
    finally:
        for head, floor in zip(heads, before, strict=True):
            head.floor = floor


def nats_by_floor(model: Model, x: Tensor, cond: Tensor | None = None) -> dict[str, float]:
    """Mean negative log-likelihood of x (N, *event_shape) under each floor: nats that differ come from narrow peaks.

    A column of rounded or repeated values can be given any density: the less the floor, the more nats. Empty for
    models without mixtures of densities.
    """
    if not any(_has_density(module) for module in model.modules()):
        return {}
    nats = {}
    for smallest in FLOORS:
        with floored(model, smallest):
            nats[f"{smallest:g}"] = likelihood(model, x, cond).nats
    return nats


def _has_density(module: nn.Module) -> bool:
    """Whether it is a head of densities; of a whole number or a grid the floor changes nothing."""
    return type(module) is Mixture or (
        isinstance(module, NumberHead) and not module.numbers.columns[module.column].step
    )
