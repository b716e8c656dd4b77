"""Rows of a table that are to be completed."""

from __future__ import annotations

import torch
from torch import Tensor


def rows_with_gaps(gaps: Tensor) -> Tensor:
    """The rows (k,) that have gaps, those with the same gaps side by side.

    A part of them then shares what is known first, which is read at once, and order-less models one ordering.

    Args:
        gaps: booleans (N, D).
    """
    rows = gaps.any(1).nonzero().flatten()
    return rows[torch.unique(gaps[rows], dim=0, return_inverse=True)[1].argsort(stable=True)]
