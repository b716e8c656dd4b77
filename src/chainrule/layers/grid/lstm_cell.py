"""What happens in a pixel of an LSTM: from gates to the cell state and the hidden state, and the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

sigmoid_backward, tanh_backward = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward


class Cell(ABC):
    """c = i ⊙ g + Σ_k f_k ⊙ c_k, with a forget gate for each cell state c_k that is remembered.

    Gates lie along the first dimension, o, i, f_1 … f_K, g. The gradient is written out, for `layers.wavefront`.
    """

    forgets: int  # K

    @property
    def gates(self) -> int:
        """Q = K + 3."""
        return self.forgets + 3

    def __call__(self, z: Tensor, memories: Sequence[Tensor]) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Gates before their squashing (Q, …) and c_k, (…) each → h, c, and what `backward` needs."""
        s, g = torch.sigmoid(z[:-1]), torch.tanh(z[-1])
        c = s[1] * g
        for forget, memory in zip(s[2:].unbind(), memories, strict=True):
            c = torch.addcmul(c, forget, memory)
        h, kept = self.emit(s[0], c)
        return h, c, (s, g, kept)

    def backward(
        self, dh: Tensor, dc: Tensor, c: Tensor, kept: Sequence[Tensor], memories: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Gradients of h and c → those of z, (Q, …), and of each c_k."""
        s, g, of_emit = kept
        do, through = self.emit_backward(dh, s[0], c, of_emit)
        dc = dc + through
        ds = torch.stack([do, dc * g, *(dc * memory for memory in memories)])
        dz = torch.cat([sigmoid_backward(ds, s), tanh_backward(dc * s[1], g)[None]])
        return dz, [dc * forget for forget in s[2:]]

    @abstractmethod
    def emit(self, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """h, and what its gradient needs."""

    @abstractmethod
    def emit_backward(self, dh: Tensor, o: Tensor, c: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of h → those of o and c."""


class LSTMCell(Cell):
    """h = o ⊙ tanh(c): van den Oord et al. (2016), "Pixel recurrent neural networks", eq. 3."""

    forgets = 1

    def emit(self, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """h, and tanh(c)."""
        t = torch.tanh(c)
        return o * t, t

    def emit_backward(self, dh: Tensor, o: Tensor, c: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of o and c."""
        return dh * kept, tanh_backward(dh * o, kept)


class SpatialCell(Cell):
    """h = tanh(c ⊙ o), and two cell states: Theis, Bethge (2015), "Generative image modeling using spatial LSTMs"."""

    forgets = 2

    def emit(self, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """h twice."""
        h = torch.tanh(c * o)
        return h, h

    def emit_backward(self, dh: Tensor, o: Tensor, c: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of o and c."""
        dh = tanh_backward(dh, kept)
        return dh * c, dh * o
