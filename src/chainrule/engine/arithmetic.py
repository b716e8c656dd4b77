"""The arithmetic in which likelihoods are stated: full precision, dropout off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from threading import Lock

import torch
from torch import nn

from chainrule.engine.precision import full_precision
from chainrule.engine.shared import Shared

_lock = Lock()
_users: dict[nn.Module, int] = {}  # of modules that were training, how many blocks keep them from it


@contextmanager
def exact_arithmetic(model: nn.Module) -> Iterator[None]:
    """No gradient, no autocast, no TF32 or other short cut, and `model` in evaluation mode; all restored afterwards."""
    device = next((p.device.type for p in model.parameters()), "cpu")
    kind = device if torch.amp.is_autocast_available(device) else "cpu"
    with (
        _full_precision(device)(),
        evaluation_mode(model),
        torch.no_grad(),
        torch.autocast(kind, enabled=False),
    ):
        yield


@cache
def _full_precision(device: str) -> Shared:
    return Shared(partial(full_precision, device))


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Keep a model in evaluation mode; it is as before once the last thread has left that needs it so."""
    with _lock:
        mine = [module for module in model.modules() if module.training or module in _users]
        for module in mine:
            _users[module] = _users.get(module, 0) + 1
        if mine:
            model.eval()
    try:
        yield
    finally:
        with _lock:
            for module in mine:
                left = _users.get(module, 0) - 1
                if left > 0:
                    _users[module] = left
                elif left == 0:
                    del _users[module]
                    module.training = True


def end_training(model: nn.Module) -> None:
    """Put a model into evaluation mode for good, whoever keeps it there for a while."""
    with _lock:
        model.eval()
        for module in model.modules():
            _users.pop(module, None)
