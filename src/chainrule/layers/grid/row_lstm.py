"""The Row LSTM: recurrence from row to row of an image."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.grid.grid import GridLayer
from chainrule.layers.grid.lstm_cell import LSTMCell
from chainrule.layers.grid.pixel_conv import PixelConv
from chainrule.layers.grid.wavefront import recur, row_fronts
from chainrule.layers.state import State, write_at


class RowState(NamedTuple):
    """The newest states of each column, of this row left of the pixel and of the row above elsewhere, (B, W, C');
    what the row above gives to the gates of this one (B, W, 4C'); and the pixels to the left."""

    h: Tensor
    c: Tensor
    above: Tensor
    along: State


class RowLSTM(GridLayer):
    """[o, i, f, g]_i = K_ss ⊛ h_{i-1} + K_is ⊛ x_i for each row i; c_i = f ⊙ c_{i-1} + i ⊙ g; h_i = o ⊙ tanh(c_i).

    K_is, 1×k, is masked (type B): k//2 pixels to the left, and the pixel itself with groups up to one's own. K_ss, 1×k,
    is not: the row above is complete, and is read to the right as well. What a pixel reads is a triangle.

    Args:
        inputs, outputs: channels C and C', both multiples of G.
        kernel_size: k, odd.
        groups: G, colours that are generated one after the other.

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), "Pixel recurrent neural networks", §3.1,
        https://arxiv.org/abs/1601.06759
    """

    cell = LSTMCell()

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int = 3, groups: int = 1) -> None:
        super().__init__()
        self.receptive_field, self.groups, self.outputs = kernel_size // 2, groups, outputs
        self.along = PixelConv(inputs, self.cell.gates * outputs, left=self.receptive_field, groups=groups)
        bound = 1 / math.sqrt(kernel_size * outputs)
        self.weight = nn.Parameter(torch.empty(self.along.outs[-1], kernel_size * outputs))
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        return self._paint(x)[0]

    def _paint(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) → h and c, (B, C', H, W) each; a loop over rows."""
        (states,) = recur(
            [self.along(x)],
            [self.weight],
            self.cell,
            [row_fronts(*x.shape[2:])],
            reads=range(-self.receptive_field, self.receptive_field + 1),
            remembers=(0,),
            groups=self.groups,
        )
        return states

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """Zeros."""
        above = torch.zeros(batch, width, self.along.outs[-1], device=device, dtype=dtype)
        h, c = (above.new_zeros(batch, width, self.outputs) for _ in range(2))
        return RowState(h, c, above, self.along.init_state(batch, width=width, device=device, dtype=dtype))

    def start_row(self, state: State) -> State:
        """The convolution of the row above."""
        width = state.h.shape[1]
        padded = F.pad(state.h, (0, 0, self.receptive_field, self.receptive_field))
        near = torch.cat(
            [padded[:, start : start + width] for start in range(2 * self.receptive_field + 1)], dim=2
        )
        above = F.linear(near, self.weight, self.along.bias)
        return state._replace(above=above, along=self.along.start_row(state.along))

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """(B, C_g) → (B, C'_g)."""
        outs = slice(self.along.outs[group], self.along.outs[group + 1])
        above = state.above.index_select(1, column.reshape(1))[:, 0, outs]
        z, along = self.along.step_onto(above, x, state.along, group)
        site = column * self.groups + group
        h_row, c_row = (by_site(row, self.groups) for row in (state.h, state.c))
        memory = c_row.index_select(1, site.reshape(1))[:, 0]
        h, c = self.cell(z.unflatten(1, (self.cell.gates, -1)).transpose(0, 1), [memory])
        h_row, c_row = (write_at(row, site, new).view_as(state.h) for row, new in ((h_row, h), (c_row, c)))
        return h, RowState(h_row, c_row, state.above, along)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, r, W) → (B, C', r, W)."""
        h, c = self._paint(x)
        h_row, c_row = (part[:, :, -1].transpose(1, 2).contiguous() for part in (h, c))
        return h, state._replace(h=h_row, c=c_row)

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (G, H, W, N) → (G, H, W, N)."""
        width, out = reads.shape[2], self.along.connect(reads)
        for row in range(1, reads.shape[1]):
            above = F.pad(out[:, row - 1].any(0), (0, 0, self.receptive_field, self.receptive_field))
            for start in range(2 * self.receptive_field + 1):
                out[:, row] |= above[start : start + width]
        return out


def by_site(row: Tensor, groups: int) -> Tensor:
    """The pixels of a row as sites, one colour after the other: (B, W, C) → (B, W·G, C/G)."""
    batch, width, channels = row.shape
    return row.view(batch, width * groups, channels // groups)
