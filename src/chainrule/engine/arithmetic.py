"""The arithmetic in which likelihoods are stated: full precision, dropout off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from chainrule.engine.precision import full_precision


@contextmanager
def exact_arithmetic(model: nn.Module) -> Iterator[None]:
    """No gradient, no autocast, no TF32 or other short cut, and `model` in evaluation mode; all restored afterwards."""
    device = next((p.device.type for p in model.parameters()), "cpu")
    training = [module for module in model.modules() if module.training]
    model.eval()
    kind = device if torch.amp.is_autocast_available(device) else "cpu"
    try:
        with full_precision(device), torch.no_grad(), torch.autocast(kind, enabled=False):
            yield
    finally:
        for module in training:
            module.training = True
