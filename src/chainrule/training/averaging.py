"""A running average of the weights, which is what gets validated and kept."""

from __future__ import annotations

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class WeightEMA(WeightAveraging):
    """Exponential moving average; its decay at step n is min(decay, (1 + n) / (10 + n)): early weights fade fast."""

    def __init__(self, decay: float) -> None:
        @torch.no_grad()
        def average(old: list[Tensor], new: list[Tensor], n: Tensor | int) -> None:
            torch._foreach_lerp_(old, new, 1 - min(decay, (1 + int(n)) / (10 + int(n))))

        super().__init__(use_buffers=False, multi_avg_fn=average)
