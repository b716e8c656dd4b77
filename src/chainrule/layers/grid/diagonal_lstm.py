"""LSTMs along the diagonals of an image: one way, both ways, and with the memory of two neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.grid.grid import GridLayer
from chainrule.layers.grid.lstm_cell import Cell, LSTMCell, SpatialCell
from chainrule.layers.grid.pixel_conv import PixelConv
from chainrule.layers.grid.row_conv import shift_down
from chainrule.layers.grid.row_lstm import by_site
from chainrule.layers.grid.wavefront import diagonal_fronts, recur
from chainrule.layers.state import State, write_at

# Where a pixel's neighbours are on the diagonal before its own: on the line above, and on the same.
ABOVE, LEFT = -1, 0


class DiagonalState(NamedTuple):
    """The newest states h and c of each column, of this row left of the pixel and of the row above elsewhere,
    (B, W, 2, C'); those of the pixel to the left (B, 2, C'); and of the pixel's groups so far (B, 2, C')."""

    row: Tensor
    left: Tensor
    newest: Tensor
    along: State


class DiagonalLSTM(GridLayer):
    """[o, i, f, g] = K_ss [h_{i,j-1}, h_{i-1,j}] + K_is x_ij; c_ij = f ⊙ c_{i,j-1} + i ⊙ g; h_ij = o ⊙ tanh(c_ij).

    K_is, 1×1, is masked (type B): groups up to one's own. K_ss is the 2×1 convolution down a column of the map whose
    rows are skewed. A pixel reads all that is not below and not to the right of it.

    Args:
        inputs, outputs: channels C and C', both multiples of G.
        groups: G, colours that are generated one after the other.

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), "Pixel recurrent neural networks", §3.2,
        https://arxiv.org/abs/1601.06759
    """

    cell: Cell = LSTMCell()
    remembers: tuple[int, ...] = (LEFT,)

    def __init__(self, inputs: int, outputs: int, *, groups: int = 1) -> None:
        super().__init__()
        self.groups, self.outputs = groups, outputs
        self.along = PixelConv(inputs, self.cell.gates * outputs, groups=groups)
        bound = 1 / math.sqrt(2 * outputs)
        self.weight = nn.Parameter(torch.empty(self.along.outs[-1], 2 * outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        return self.paint(x)[0]

    def paint(self, x: Tensor, *, mirrored: bool = False) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) → h and c, (B, C', H, W) each; a loop over diagonals. Mirrored, right is left."""
        return scan([self], x, [mirrored])[0]

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """Zeros."""
        row = torch.zeros(batch, width, 2, self.outputs, device=device, dtype=dtype)
        left, newest = (row.new_zeros(batch, 2, self.outputs) for _ in range(2))
        along = self.along.init_state(batch, width=width, device=device, dtype=dtype)
        return DiagonalState(row, left, newest, along)

    def start_row(self, state: State) -> State:
        """Left of a row are zeros."""
        return state._replace(left=torch.zeros_like(state.left), along=self.along.start_row(state.along))

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """(B, C_g) → (B, C'_g)."""
        outs = slice(self.along.outs[group], self.along.outs[group + 1])
        first, last = (g * self.outputs // self.groups for g in (group, group + 1))
        near = {LEFT: state.left, ABOVE: state.row.index_select(1, column.reshape(1))[:, 0]}
        read = torch.cat([near[LEFT][:, 0], near[ABOVE][:, 0]], dim=1)
        z, along = self.along.step(x, state.along, column, group)
        z = torch.addmm(z, read, self.weight[outs].T).unflatten(1, (self.cell.gates, -1)).transpose(0, 1)
        h, c = self.cell(z, [near[line][:, 1, first:last] for line in self.remembers])
        row, left, newest = state.row, state.left, torch.stack([h, c], dim=1)
        if self.groups > 1:
            newest = torch.cat([state.newest[:, :, :first], newest, state.newest[:, :, last:]], dim=2)
        if group == self.groups - 1:
            row, left = write_at(row, column, newest), newest
        return h, DiagonalState(row, left, newest, along)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, r, W) → (B, C', r, W)."""
        h, c = self.paint(x)
        return h, self.keep(h, c, state)

    def keep(self, h: Tensor, c: Tensor, state: State) -> State:
        """The state below the rows whose states these are, (B, C', r, W) each."""
        row = torch.stack([h[:, :, -1], c[:, :, -1]], dim=1)
        return state._replace(row=row.permute(0, 3, 1, 2).contiguous())

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (G, H, W, N) → (G, H, W, N)."""
        out = self.along.connect(reads)
        # What the states of a pixel read: all that its neighbours to the left and above do, and their neighbours.
        states = out.any(0).int().cumsum(0).cumsum(1) > 0
        return out | F.pad(states[:, :-1], (0, 0, 1, 0)) | F.pad(states[:-1], (0, 0, 0, 0, 1, 0))


def scan(layers: Sequence[DiagonalLSTM], x: Tensor, mirrored: Sequence[bool]) -> list[tuple[Tensor, Tensor]]:
    """h and c of each layer, in one loop over diagonals; layers of one kind and size, each its own way round."""
    first = layers[0]
    return recur(
        [layer.along(x) for layer in layers],
        [layer.weight for layer in layers],
        first.cell,
        [diagonal_fronts(*x.shape[2:], mirrored=way) for way in mirrored],
        reads=(LEFT, ABOVE),
        remembers=first.remembers,
        groups=first.groups,
    )


class SpatialLSTM(DiagonalLSTM):
    """c_ij = g ⊙ i + c_{i,j-1} ⊙ f^c + c_{i-1,j} ⊙ f^r; h_ij = tanh(c_ij ⊙ o): a forget gate for each neighbour.

    Gates as in `DiagonalLSTM`, of x_ij, h_{i,j-1} and h_{i-1,j}, and computed along the same diagonals. The biases of
    the forget gates begin around -1: two gates around ½ would add up to 1, so that no memory ever faded.

    References:
        Theis, Bethge (2015), "Generative image modeling using spatial LSTMs", §2.2,
        https://arxiv.org/abs/1506.03478
    """

    cell = SpatialCell()
    remembers = (LEFT, ABOVE)

    def __init__(self, inputs: int, outputs: int, *, groups: int = 1) -> None:
        super().__init__(inputs, outputs, groups=groups)
        with torch.no_grad():
            self.along.bias.view(groups, self.cell.gates, -1)[:, 2:-1] -= 1


class BiState(NamedTuple):
    """The left-to-right pass; what went into the row that is being made (B, W, C); the right-to-left states h of the
    row above (B, W, C'); and whether there is such a row (B, 1), 0 or 1."""

    left: State
    row: Tensor
    above: Tensor
    begun: Tensor


class DiagonalBiLSTM(GridLayer):
    """A `DiagonalLSTM` from the left, and another from the right, which is shifted down by a row before it is added.

    The second scans whole rows: one is a row's work of the next. Together they read all pixels before their own.

    Args:
        inputs, outputs, groups: of both.

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), "Pixel recurrent neural networks", §3.2,
        https://arxiv.org/abs/1601.06759
    """

    def __init__(self, inputs: int, outputs: int, *, groups: int = 1) -> None:
        super().__init__()
        self.groups, self.inputs, self.outputs = groups, inputs, outputs
        self.left, self.right = (DiagonalLSTM(inputs, outputs, groups=groups) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        (left, _), (right, _) = self._paint(x)
        return left + shift_down(right)

    def _paint(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """h and c of both, side by side in one loop."""
        return scan([self.left, self.right], x, [False, True])

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """Zeros."""
        left = self.left.init_state(batch, width=width, device=device, dtype=dtype)
        row, above = (left.row.new_zeros(batch, width, size) for size in (self.inputs, self.outputs))
        return BiState(left, row, above, row.new_zeros(batch, 1))

    def start_row(self, state: State) -> State:
        """The right-to-left pass over the row above; over row 0 there is none."""
        above = self._scan(state.row, state.above) * state.begun[:, :, None]
        return BiState(self.left.start_row(state.left), state.row, above, torch.ones_like(state.begun))

    def _scan(self, row: Tensor, above: Tensor) -> Tensor:
        """A row (B, W, C) and the states above it (B, W, C') → its states (B, W, C'), from right to left."""
        cell, parts = self.right.cell, (self.groups, self.right.cell.gates, -1)
        z = self.right.along(row.transpose(1, 2)[:, :, None])[:, :, 0].unflatten(1, parts)
        z = z.permute(4, 0, 2, 1, 3).flatten(2)  # (W, B, 4C'), gate by gate
        weight = self.right.weight.unflatten(0, parts).transpose(0, 1).flatten(0, 2).T
        h = c = torch.zeros_like(above[:, 0])
        states = []
        for own, up in zip(z.flip(0), above.flip(1).unbind(1), strict=True):
            gates = torch.addmm(own, torch.cat([h, up], dim=1), weight)
            h, c = cell(gates.unflatten(1, (cell.gates, -1)).transpose(0, 1), [c])
            states.append(h)
        return torch.stack(states[::-1], dim=1)

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """(B, C_g) → (B, C'_g)."""
        site = column * self.groups + group
        y, left = self.left.step(x, state.left, column, group)
        row = write_at(by_site(state.row, self.groups), site, x).view_as(state.row)
        above = by_site(state.above, self.groups).index_select(1, site.reshape(1))[:, 0]
        return y + above, BiState(left, row, state.above, state.begun)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, r, W) → (B, C', r, W); the last row is scanned by the next `start_row`."""
        (y, c), (right, _) = self._paint(x)
        left = self.left.keep(y, c, state.left)
        right = F.pad(right, (0, 0, 1, 0))
        row, above = (part.transpose(1, 2).contiguous() for part in (x[:, :, -1], right[:, :, -2]))
        return y + right[:, :, :-1], BiState(left, row, above, torch.ones_like(state.begun))

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (G, H, W, N) → (G, H, W, N)."""
        right = self.right.connect(reads.flip(2)).flip(2)
        return self.left.connect(reads) | F.pad(right[:, :-1], (0, 0, 0, 0, 1, 0))
