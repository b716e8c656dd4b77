"""A running average of the weights, which is what gets validated and kept."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from chainrule.training.ranks import local, share_of, whole


class WeightEMA(pl.Callback):
    """Exponential moving average; its decay at step n is min(decay, (1 + n) / (10 + n)): early weights fade fast.

    Where each rank holds its share of the weights, it holds that share of their average.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._average: list[Tensor] = []
        self._pair: tuple[list[Tensor], list[Tensor]] = [], []  # average and weights, as this rank holds them
        self._kept: list[Tensor] = []  # of a checkpoint, whole

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Begin with the weights, or where a checkpoint was."""
        weights = [p.detach() for p in module.parameters()]
        if self._kept:
            self._average = [share_of(kept, p) for kept, p in zip(self._kept, weights, strict=True)]
            self._kept = []
        else:
            self._average = [p.clone() for p in weights]
        self._pair = [local(t) for t in self._average], [local(t) for t in weights]

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *args: Any) -> None:
        """Move the average towards the weights, after each step of the optimiser."""
        if trainer.global_step <= self.steps:
            return
        n, self.steps = self.steps, trainer.global_step
        average, weights = self._pair
        with torch.no_grad():
            if n:
                torch._foreach_lerp_(average, weights, 1 - min(self.decay, (1 + n) / (10 + n)))
            else:
                torch._foreach_copy_(average, weights)

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the average into the model."""
        self._swap()

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the weights back."""
        self._swap()

    def state_dict(self) -> dict[str, Any]:
        """The average in full."""
        return {"steps": self.steps, "average": [whole(tensor) for tensor in self._average]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.steps, self._kept = state["steps"], state["average"]

    def _swap(self) -> None:
        average, weights = self._pair
        with torch.no_grad():
            kept = [weight.clone() for weight in weights]
            torch._foreach_copy_(weights, average)
            torch._foreach_copy_(average, kept)
