"""Buffers that stay in double precision whatever a model is cast to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn


class Float64(nn.Module):
    """A module whose buffers of float64 follow their model to another device, never to another type."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        kept = {name: buffer for name, buffer in self._buffers.items() if buffer is not None}
        result: Any = super()._apply(fn, recurse)
        for name, before in kept.items():
            after: Any = self._buffers[name]
            if before.dtype == torch.float64 and after.dtype != torch.float64:
                self._buffers[name] = before.to(after.device)
        return result
