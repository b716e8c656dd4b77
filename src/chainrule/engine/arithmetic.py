"""The arithmetic in which likelihoods are stated: full precision, dropout off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def exact_arithmetic(model: nn.Module) -> Iterator[None]:
    """No gradient, no autocast, no TF32, and `model` in evaluation mode; all restored afterwards."""
    device = next((p.device.type for p in model.parameters()), "cpu")
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    training = [module for module in model.modules() if module.training]
    model.eval()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    kind = device if torch.amp.is_autocast_available(device) else "cpu"
    try:
        with torch.no_grad(), torch.autocast(kind, enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
        for module in training:
            module.training = True
