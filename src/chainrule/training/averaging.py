"""A running average of the weights, which is what gets validated and kept."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class WeightEMA(WeightAveraging):
    """Exponential moving average; its decay at step n is min(decay, (1 + n) / (10 + n)): early weights fade fast.

    Lightning keeps, swaps and stores it. The step itself is done here: torch's own walks through all modules each time,
    which takes longer than a step of a small net.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False)
        self.decay = decay
        self._pairs: tuple[list[Tensor], list[Tensor]] | None = None
        self._buffers: list[tuple[Tensor, Tensor]] = []
        self._versions: list[int] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Move the average towards the weights, after each step of the optimiser; copy buffers that have changed."""
        if trainer.global_step <= self._latest_update_step or self._average_model is None:
            return
        own = self._average_model
        if self._pairs is None:
            self._pairs = [*own.module.parameters()], [*pl_module.parameters()]
            self._buffers = list(zip(own.module.buffers(), pl_module.buffers(), strict=True))
            self._versions = [-1] * len(self._buffers)
        old, new = self._pairs
        n = int(own.n_averaged)
        with torch.no_grad():
            if n:
                torch._foreach_lerp_(old, new, 1 - min(self.decay, (1 + n) / (10 + n)))
            else:
                torch._foreach_copy_(old, new)
            for i, (average, current) in enumerate(self._buffers):
                if current._version != self._versions[i]:
                    average.copy_(current)
                    self._versions[i] = current._version
            own.n_averaged += 1
        self._latest_update_step = trainer.global_step
