"""The arithmetic in which likelihoods are stated: full precision, dropout off; afterwards all is as the user had it.

torch has two sets of switches that let float32 be multiplied in fewer bits, and raises where both are used. The old
ones are `allow_tf32` and `set_float32_matmul_precision`; the new ones are called `fp32_precision`, of each backend and
kind of operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from threading import Lock
from typing import Any

import torch
from torch import nn

from chainrule.devices import without_autocast
from chainrule.engine.shared import Shared

EXACT = ("ieee", "none")
_lock = Lock()
_users: dict[nn.Module, int] = {}  # of modules that were training, how many blocks keep them from it


@contextmanager
def exact_arithmetic(model: nn.Module) -> Iterator[None]:
    """No gradient, no autocast, no TF32 or other short cut, and `model` in evaluation mode; all restored afterwards."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with (
        _full_precision(device.type)(),
        evaluation_mode(model),
        torch.no_grad(),
        without_autocast(device),
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
    """Put a model into evaluation mode for good, even while a context holds it there."""
    with _lock:
        model.eval()
        for module in model.modules():
            _users.pop(module, None)


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Products and convolutions of float32 are those of float32, on a kind of device ("cpu", "cuda").

    What is exact already is left alone, so that what the user sets for all backends still reaches it afterwards.
    """
    cudnn = torch.backends.cudnn
    switches = _switches(device)
    with ExitStack() as undo:
        before = _old(torch.get_float32_matmul_precision)
        if before not in (None, "highest") and not (switches and switches[0].fp32_precision in EXACT):
            for each in ("cpu", "cuda"):  # the old switch is one for both, and sets the new ones too
                for switch in _switches(each)[:1]:
                    undo.callback(_restore, switch, switch.fp32_precision)
            undo.callback(torch.set_float32_matmul_precision, before)
            torch.set_float32_matmul_precision("highest")
        inherited = (
            getattr(cudnn, "fp32_precision", "none") != "none"
        )  # what is set for all of CUDA, or for all
        if device == "cuda" and not inherited and _old(lambda: cudnn.allow_tf32):
            undo.callback(setattr, cudnn, "allow_tf32", True)
            cudnn.allow_tf32 = False
        for switch in switches:
            if switch.fp32_precision not in EXACT:
                undo.callback(_restore, switch, switch.fp32_precision)
                switch.fp32_precision = "ieee"
        yield


def _switches(device: str) -> list[Any]:
    """The new switches that a device obeys, that of products first; none before torch 2.9."""
    if not hasattr(torch.backends, "fp32_precision"):
        return []
    if device == "cuda":
        cudnn: Any = torch.backends.cudnn
        return [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn]
    mkldnn: Any = torch.backends.mkldnn
    return [mkldnn.matmul, mkldnn.conv, mkldnn.rnn]


def _restore(switch: Any, before: str) -> None:
    """As it was; if what is set for all backends says the same, by leaving it to that."""
    switch.fp32_precision = "none"
    if switch.fp32_precision != before:
        switch.fp32_precision = before


def _old(read: Callable[[], Any]) -> Any:
    """What an old switch says; None where torch refuses, since a new one has been set."""
    try:
        return read()
    except RuntimeError:
        return None
