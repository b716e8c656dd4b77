"""How many rows are worked on at once: as many as a bounded memory holds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule.layers import map_state

HELD = 1 << 29  # bytes of rows that are worked on together
MOST_ROWS = 1 << 14  # more of them are no faster
SPREAD = 512  # bytes of features for a variable, in a step of a net that looks at all of its row


def rows_at_once(model: Any, each: int = 0) -> int:
    """How many rows of a model are drawn together.

    Args:
        model: with a domain.
        each: bytes of the state of a row, where there is one.
    """
    return max(1, min(MOST_ROWS, HELD // max(each, SPREAD * model.domain.size)))


@torch.no_grad()
def state_bytes(model: Any, cond: Tensor | None = None) -> int:
    """Bytes of the state of a row.

    Args:
        model: an `engine.rollout.Stepwise` with a device and a type of features.
        cond: of at least one row, for a conditional model.
    """
    sizes: list[int] = []

    def measure(leaf: Tensor) -> Tensor:
        sizes.append(leaf.nbytes)
        return leaf

    first = None if cond is None else cond[:1]
    kind: Any = {"device": model.device, "dtype": model.dtype}
    map_state(measure, model.init_state(1, cond=first, length=model.sites, **kind))
    return sum(sizes)
