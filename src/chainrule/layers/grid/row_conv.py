"""Convolution over whole rows: the vertical half of a masked convolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.state import State


class RowConv(nn.Module):
    """Row i of the output reads rows i - rows + 1 … i of the input, `kernel_size` pixels wide; zeros outside.

    It sees pixels to the right of its own, so it may only be given rows that are complete: those above.

    Args:
        inputs, outputs: channels C and C'.
        rows: how many rows a kernel reads.
        kernel_size: odd.
    """

    def __init__(self, inputs: int, outputs: int, *, rows: int, kernel_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, rows, kernel_size))
        self.bias = nn.Parameter(torch.empty(outputs))
        bound = 1 / math.sqrt(inputs * rows * kernel_size)  # nn.Conv2d's initialisation
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    @property
    def rows(self) -> int:
        """How many rows a kernel reads."""
        return self.weight.shape[2]

    @property
    def side(self) -> int:
        """How many pixels to the left of its own, and to the right, an output reads."""
        return self.weight.shape[3] // 2

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        return self.within(self.frame(x))

    def frame(self, x: Tensor) -> Tensor:
        """With the zeros around it that are read: (B, C, H, W) → (B, C, rows - 1 + H, W + 2·side)."""
        return F.pad(x, (self.side, self.side, self.rows - 1, 0))

    def inside(self, framed: Tensor) -> Tensor:
        """Without them."""
        return framed[:, :, self.rows - 1 :, self.side : framed.shape[3] - self.side]

    def within(self, framed: Tensor) -> Tensor:
        """`forward` of what is framed."""
        return F.conv2d(framed, self.weight, self.bias)

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """The last rows (B, C, rows, W): zeros."""
        return torch.zeros(batch, self.weight.shape[1], self.rows, width, device=device, dtype=dtype)

    def step(self, row: Tensor, state: State) -> tuple[Tensor, State]:
        """One row: (B, C, W) → (B, C', W)."""
        state = torch.cat([state[:, :, 1:], row[:, :, None]], dim=2)
        return F.conv2d(state, self.weight, self.bias, padding=(0, self.side))[:, :, 0], state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Rows 0 … r-1 at once: (B, C, r, W) → (B, C', r, W)."""
        return self(x), self.keep(x, state)

    def keep(self, x: Tensor, state: State) -> State:
        """The state after rows 0 … r-1, (B, C, r, W)."""
        return torch.cat([state, x], dim=2)[:, :, -self.rows :].contiguous()

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (G, H, W, N) → (G, H, W, N); every group of the output reads all groups of the input."""
        side, width = self.side, reads.shape[2]
        padded = F.pad(reads.any(0), (0, 0, side, side, self.rows - 1, 0))
        out = torch.zeros_like(reads[0])
        for i in range(self.rows):
            for j in range(self.weight.shape[3]):
                out |= padded[i : i + len(out), j : j + width]
        return out.expand_as(reads)


def shift_down(x: Tensor) -> Tensor:
    """Row i gets row i - 1, row 0 zeros: (B, C, H, W) → (B, C, H, W)."""
    return F.pad(x[:, :, :-1], (0, 0, 1, 0))
