"""The angles of rotary positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule.errors import ChainruleError


def rotary_angles(
    length: int, half: int, *, base: float = 10_000.0, scaling: Sequence[float] | None = None
) -> Tensor:
    """The angle t · base^(-i / half) of pair i at position t, (length, half).

    Args:
        length: positions.
        half: pairs of channels.
        base: of the wavelengths: the longest is nearly 2π · base.
        scaling: (factor, low, high, original) for nets trained further on longer texts: wavelengths above
            original / low are `factor` times as long, those below original / high are as they were, and those between
            are in between.

    Raises:
        ChainruleError: if the base or the scaling is none.

    References:
        Su et al. (2021), "RoFormer", https://arxiv.org/abs/2104.09864; Grattafiori et al. (2024), "The Llama 3 herd of
        models", https://arxiv.org/abs/2407.21783 (scaling, after the authors' code)
    """
    if base <= 0:
        raise ChainruleError(f"base: expected a positive number, got {base}")
    # In single precision and in this order, as published models were trained.
    speed = 1.0 / base ** (torch.arange(half) / half)
    if scaling is not None:
        if len(scaling) != 4 or min(scaling) <= 0 or scaling[1] >= scaling[2]:
            raise ChainruleError(
                f"scaling: expected four positive numbers: factor, low < high, original length; got {list(scaling)}"
            )
        factor, low, high, original = scaling
        turns = original * speed / (2 * math.pi)
        kept = ((turns - low) / (high - low)).clamp(0, 1)
        speed = (1 - kept) * speed / factor + kept * speed
    return torch.arange(length)[:, None] * speed
