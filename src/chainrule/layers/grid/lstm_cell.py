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

    def __call__(self, z: Tensor, memories: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Gates before their squashing (Q, …) and c_k, (…) each → h and c."""
        o, i, *forgets = torch.sigmoid(z[:-1]).unbind()
        c = i * torch.tanh(z[-1])
        for forget, memory in zip(forgets, memories, strict=True):
            c = torch.addcmul(c, forget, memory)
        return self.emit(o, c), c

    def squash(self, z: Tensor, memories: Tensor, states: Tensor) -> None:
        """The same in place: gates (Q, …) are squashed; c, h and what the gradient needs go into `states` (3, …)."""
        c, h, kept = states.unbind()
        o, i, *forgets = z[:-1].sigmoid_().unbind()
        torch.mul(i, z[-1].tanh_(), out=c)
        for forget, memory in zip(forgets, memories, strict=True):
            c.addcmul_(forget, memory)
        self.emit_into(o, c, h, kept)

    def backward(
        self, dh: Tensor, dc: Tensor, squashed: Tensor, memories: Tensor, states: Tensor, *, out: Tensor
    ) -> list[Tensor]:
        """Gradients of h and c → those of z, (Q, …), into `out`; and of each c_k. The rest is what `squash` left."""
        s, g = squashed[:-1], squashed[-1]
        do, through = self.emit_backward(dh, s[0], states)
        dc = dc + through
        out[0] = do
        for part, beside in zip(out[1:-1], (g, *memories), strict=True):
            torch.mul(dc, beside, out=part)
        sigmoid_backward.grad_input(out[:-1], s, grad_input=out[:-1])
        tanh_backward.grad_input(dc * s[1], g, grad_input=out[-1])
        return [dc * forget for forget in s[2:]]

    @abstractmethod
    def emit(self, o: Tensor, c: Tensor) -> Tensor:
        """h."""

    @abstractmethod
    def emit_into(self, o: Tensor, c: Tensor, h: Tensor, kept: Tensor) -> None:
        """h, and what its gradient needs, into the last two."""

    @abstractmethod
    def emit_backward(self, dh: Tensor, o: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of h → those of o and c."""


class LSTMCell(Cell):
    """h = o ⊙ tanh(c): van den Oord et al. (2016), "Pixel recurrent neural networks", eq. 3."""

    forgets = 1

    def emit(self, o: Tensor, c: Tensor) -> Tensor:
        """h."""
        return o * torch.tanh(c)

    def emit_into(self, o: Tensor, c: Tensor, h: Tensor, kept: Tensor) -> None:
        """h, and tanh(c)."""
        torch.mul(o, torch.tanh(c, out=kept), out=h)

    def emit_backward(self, dh: Tensor, o: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of o and c."""
        return dh * states[2], tanh_backward(dh * o, states[2])


class SpatialCell(Cell):
    """h = tanh(c ⊙ o), and two cell states: Theis, Bethge (2015), "Generative image modeling using spatial LSTMs"."""

    forgets = 2

    def emit(self, o: Tensor, c: Tensor) -> Tensor:
        """h."""
        return torch.tanh(c * o)

    def emit_into(self, o: Tensor, c: Tensor, h: Tensor, kept: Tensor) -> None:
        """h; nothing else is needed."""
        torch.mul(c, o, out=h).tanh_()

    def emit_backward(self, dh: Tensor, o: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of o and c."""
        dh = tanh_backward(dh, states[1])
        return dh * states[0], dh * o
