"""Items that differ in length: where one ends, and what stands after its end."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LENGTHS = ("fixed", "ends", "given")  # see `Domain`


def counted(x: Tensor, lengths: str, levels: Any) -> Tensor:
    """Which variables of items x (B, T) or (B, T, K) have a term in the likelihood.

    Those up to the first end symbol, the last of the levels, and with it; or those that are not -1.
    """
    if lengths == "given":
        return x >= 0
    if lengths == "ends":
        ends = (x == levels - 1).long()
        return ends.cumsum(1) == ends
    return torch.ones_like(x, dtype=torch.bool)


def canonicalise(x: Tensor, lengths: str, levels: Any) -> Tensor:
    """x with only end symbols after the first one, or only -1 from the first step that has one."""
    if lengths == "ends":
        return torch.where(counted(x, lengths, levels), x, levels - 1)
    if lengths == "given":
        there = (x >= 0).flatten(2).all(-1) if x.ndim > 2 else x >= 0
        there = there.long().cumprod(1).bool()
        return torch.where(there.reshape(*there.shape, *[1] * (x.ndim - 2)), x, -1)
    return x
