"""Masked convolution of images, of types A and B."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.grid.grid import GridLayer
from chainrule.layers.grid.pixel_conv import PixelConv
from chainrule.layers.grid.row_conv import RowConv, shift_down
from chainrule.layers.state import State, write_at


class MaskedState(NamedTuple):
    """The rows above (B, C, rows, W), what they add to this one (B, W, C'), and the pixels to the left."""

    rows: Tensor
    base: Tensor
    along: State


class StrictConv2d(nn.Module):
    """Mask A: k//2 rows above, k wide, and k//2 pixels to the left; of the pixel itself the groups before one's own.

    Args:
        inputs, outputs: channels C and C'.
        kernel_size: k, odd, at least 3.
        groups: G, colours that are generated one after the other.

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), "Pixel recurrent neural networks", §3.4,
        https://arxiv.org/abs/1601.06759
    """

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int, groups: int = 1) -> None:
        super().__init__()
        half = kernel_size // 2
        self.above = RowConv(inputs, outputs, rows=half, kernel_size=kernel_size)
        self.along = PixelConv(inputs, outputs, left=half, groups=groups, strict=True, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        return half_plane(x, self.above, self.along)

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """Zeros."""
        return _init(self, batch, width, device, dtype)

    def start_row(self, row: Tensor, state: State) -> State:
        """Takes the row above, (B, C, W)."""
        base, rows = self.above.step(row, state.rows)
        return MaskedState(rows, base.transpose(1, 2).contiguous(), self.along.start_row(state.along))

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """What is new since the step before, (B, C_g) → (B, C'_g); see `PixelConv`."""
        y, along = self.along.step_onto(_base(self.along, state.base, column, group), x, state.along, group)
        return y, MaskedState(state.rows, state.base, along)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Rows 0 … r-1 at once; the last of them is given to `start_row` once more: (B, C, r, W) → (B, C', r, W)."""
        _, rows = self.above.prefill(shift_down(x), state.rows)
        return self(x), MaskedState(rows, state.base, state.along)

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (G, H, W, N) → (G, H, W, N)."""
        return _connect(self, reads)


class MaskedConv2d(GridLayer):
    """Mask B: as mask A, and the pixel itself, groups up to one's own.

    Args:
        inputs, outputs: channels C and C'.
        kernel_size: k, odd, at least 3.
        groups: G, colours that are generated one after the other.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int, groups: int = 1) -> None:
        super().__init__()
        half = kernel_size // 2
        self.above = RowConv(inputs, outputs, rows=half, kernel_size=kernel_size)
        self.along = PixelConv(inputs, outputs, left=half, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        return half_plane(x, self.above, self.along)

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """Zeros, and the row that is being made (B, W, C)."""
        row = torch.zeros(batch, width, self.along.ins[-1], device=device, dtype=dtype)
        return row, _init(self, batch, width, device, dtype)

    def start_row(self, state: State) -> State:
        """The row that was being made is the row above."""
        row, (rows, _, along) = state
        base, rows = self.above.step(row.transpose(1, 2).contiguous(), rows)
        return row, MaskedState(rows, base.transpose(1, 2).contiguous(), self.along.start_row(along))

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """(B, C_g) → (B, C'_g)."""
        row, (rows, base, along) = state
        y, along = self.along.step_onto(_base(self.along, base, column, group), x, along, group)
        if group == self.along.groups - 1:
            row = write_at(row, column, x if group == 0 else along.newest)
        return y, (row, MaskedState(rows, base, along))

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, r, W) → (B, C', r, W)."""
        _, (rows, base, along) = state
        _, rows = self.above.prefill(shift_down(x), rows)
        row = x[:, :, -1].transpose(1, 2).contiguous()
        return self(x), (row, MaskedState(rows, base, along))

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (G, H, W, N) → (G, H, W, N)."""
        return _connect(self, reads)


def half_plane(x: Tensor, above: RowConv, along: PixelConv) -> Tensor:
    """`above` of the rows above and `along` of the row, as one convolution: (B, C, H, W) → (B, C', H, W)."""
    kernel = along.kernel().transpose(1, 2)[:, :, None]
    size = above.weight.shape[3]
    weight = torch.cat([above.weight, F.pad(kernel, (0, size - kernel.shape[3]))], dim=2)
    return F.conv2d(F.pad(x, (size // 2, size // 2, above.rows, 0)), weight, above.bias)


def _init(
    conv: StrictConv2d | MaskedConv2d, batch: int, width: int, device: torch.device, dtype: torch.dtype
) -> State:
    options: dict[str, Any] = {"width": width, "device": device, "dtype": dtype}
    base = torch.zeros(batch, width, conv.along.outs[-1], device=device, dtype=dtype)
    return MaskedState(conv.above.init_state(batch, **options), base, conv.along.init_state(batch, **options))


def _base(along: PixelConv, base: Tensor, column: Tensor, group: int) -> Tensor:
    """(B, W, C') → those of the group at the column, (B, C'_g)."""
    pixel = base.index_select(1, column.reshape(1))[:, 0]
    return pixel[:, along.outs[group] : along.outs[group + 1]]


def _connect(conv: StrictConv2d | MaskedConv2d, reads: Tensor) -> Tensor:
    return conv.above.connect(F.pad(reads[:, :-1], (0, 0, 0, 0, 1, 0))) | conv.along.connect(reads)
