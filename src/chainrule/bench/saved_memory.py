"""Memory that training holds for its backward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn


def peak_saved_bytes(loss: Callable[[], Tensor], model: nn.Module) -> int:
    """The most that autograd holds at once, from the forward pass through the backward pass of a loss, in bytes.

    Each storage counts once, parameters do not. What a backward pass computes again counts while it is held.
    """
    ledger = _Ledger({parameter.untyped_storage().data_ptr() for parameter in model.parameters()})
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: _Held(tensor, ledger), lambda held: held.tensor
    ):
        loss().backward()
    return ledger.peak


class _Ledger:
    """What is held now, and was at most."""

    def __init__(self, uncounted: set[int]) -> None:
        self.uncounted, self.times = uncounted, Counter[int]()
        self.now = self.peak = 0

    def add(self, storage: torch.UntypedStorage, sign: int) -> None:
        place = storage.data_ptr()
        if place in self.uncounted:
            return
        before, self.times[place] = self.times[place], self.times[place] + sign
        if 0 in (before, self.times[place]):  # the first to hold it, or the last
            self.now += sign * storage.nbytes()
            self.peak = max(self.peak, self.now)


class _Held:
    """A tensor that autograd keeps as long as this object lives."""

    def __init__(self, tensor: Tensor, ledger: _Ledger) -> None:
        self.tensor, self.ledger = tensor, ledger
        ledger.add(tensor.untyped_storage(), 1)

    def __del__(self) -> None:
        self.ledger.add(self.tensor.untyped_storage(), -1)
