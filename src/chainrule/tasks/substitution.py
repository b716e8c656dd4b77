"""The likelihood of items with other values in one variable."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.models import Model
from chainrule.tasks.likelihood import log_probs

CELLS = 1 << 22  # of items at once


def log_probs_with(model: Model, x: Tensor, d: int, values: Tensor) -> Tensor:
    """log p(x with a value in place of x_d): items (N, D), values (N, G) → (N, G) float64, on the CPU."""
    rows = max(CELLS // (values.shape[1] * x.shape[1]), 1)
    parts = []
    for part, own in zip(x.split(rows), values.split(rows), strict=True):
        tried = part[:, None].repeat(1, values.shape[1], 1)
        tried[:, :, d] = own.to(tried.dtype)
        parts.append(log_probs(model, tried.flatten(0, 1)).reshape(own.shape))
    return torch.cat(parts)
