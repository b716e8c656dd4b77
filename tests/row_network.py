"""A net with two kinds of step, to prove the schedule: whole rows first, then their pixels.

A gated PixelCNN in small. The vertical stack looks at all of the rows above, to the right of the pixel too, so its
work on a row is done once, at the row's first pixel; the horizontal stack goes pixel by pixel.
"""

import torch
from torch import nn
from torch.nn import functional as F

from chainrule.layers import CausalConv1d, Scalar, StrictInput
from chainrule.networks import Network

ROW, PIXEL = "row", "pixel"


class RowNetwork(Network):
    """Sites are pixels of V colours; parameters of a pixel read the row above (3 wide) and 3 pixels to the left."""

    def __init__(self, height, width, variables, size, levels, channels=8):
        super().__init__()
        self.height, self.width = height, width
        self.input = StrictInput(Scalar(max(levels - 1, 1)))
        self.above = nn.Conv1d(variables, channels, 3, padding=1)  # along the row above
        self.left = CausalConv1d(variables, channels, kernel_size=3)
        self.out = nn.Linear(channels, size)

    def forward(self, sites, cond=None):
        values = self.input.encoder(sites).unflatten(1, (self.height, self.width))
        shifted = F.pad(values[:, :-1], (0, 0, 0, 0, 1, 0))  # row r gets row r - 1
        vertical = self._row(shifted.flatten(0, 1)).unflatten(0, (len(sites), self.height))
        # Rows are separate sequences, each with its own start.
        horizontal = self.left(F.pad(values[:, :, :-1], (0, 0, 1, 0)).flatten(0, 1)).unflatten(
            0, (len(sites), -1)
        )
        return self.out(torch.relu(vertical + horizontal)).flatten(1, 2)

    def _row(self, row):
        return self.above(row.transpose(1, 2)).transpose(1, 2)

    def init_state(self, batch, *, cond=None, length, device, dtype):
        row = torch.zeros(batch, self.width, self.input_channels, device=device, dtype=dtype)
        vertical = torch.zeros(batch, self.width, self.left.weight.shape[0], device=device, dtype=dtype)
        left = self.left.init_state(batch, length=self.width, device=device, dtype=dtype)
        return row, vertical, left

    @property
    def input_channels(self):
        return self.above.in_channels

    def step(self, prev, state, t, *, phase=None):
        row, vertical, left = state
        column = t % self.width
        code = self.input.step(prev, t)
        # The row so far: pixel t - 1 goes to its column. At t = 0 that is the last column, of zeros.
        row = row.index_copy(1, ((t - 1) % self.width).reshape(1), code[:, None])
        if phase == ROW:  # the row above is complete: all of its work at once
            vertical = self._row(row)
            left = self.left.init_state(len(prev), length=self.width, device=row.device, dtype=row.dtype)
            code = torch.zeros_like(code)
        horizontal, left = self.left.step(code, left, column)
        features = vertical.index_select(1, column.reshape(1))[:, 0] + horizontal
        return self.out(torch.relu(features)), (row, vertical, left)

    def prefill(self, sites, state):
        params = []
        clock, phases = torch.arange(sites.shape[1]), self.schedule(self.height * self.width)
        for t in range(sites.shape[1]):
            p, state = self.step(sites[:, max(t - 1, 0)], state, clock[t], phase=phases[t])
            params.append(p)
        return torch.stack(params, 1), state

    def schedule(self, length):
        return [ROW if t % self.width == 0 else PIXEL for t in range(length)]

    def connectivity(self, length):
        site = torch.arange(length)
        row, column = site // self.width, site % self.width
        down, across = row[:, None] - row, column[:, None] - column
        above = (down == 1) & (across.abs() <= 1)
        left = (down == 0) & (across >= 1) & (across <= 3)
        return above | left
