"""The net of PixelCNN++."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.devices import without_autocast
from chainrule.layers.condition import Condition
from chainrule.layers.encoding import Encoding
from chainrule.layers.grid.row_conv import shift_down
from chainrule.layers.grid.weight_norm_conv2d import WeightNormConv2d, scales
from chainrule.layers.state import State
from chainrule.networks.pixelcnn_plus_plus.block import Twin, by_pixel, feature, last_row
from chainrule.networks.pixelcnn_plus_plus.level import PlusLevel
from chainrule.networks.raster import Raster


class PlusPlace(NamedTuple):
    """The phase of a site: whether a row begins with it, how many coarser resolutions begin a row with this one, and
    how many of them have a pixel at this one."""

    first: bool
    rows: int
    pixels: int


class PlusState(NamedTuple):
    """The codes of the row before last (B, C', 1, W), what ul takes from above (B, W, C), the scales of the first and
    last weights, and the state of the levels."""

    codes: Tensor
    entry: Tensor
    scales: State
    level: State


class PlusStack(Raster):
    """Two streams, u of the rows above and ul of these and the pixels to the left, at several resolutions.

    All of u is a row's work, and what u and the rows above give to ul; a pixel's work is what ul takes from the pixel
    to the left and from itself. A row or pixel of the resolution 2^-s is made with the first row or pixel of the 2^s
    that it stands for. Sizes that 2 does not divide are rounded up.

    Args:
        code, channels: see `Raster`.
        level: all resolutions, of C channels.
        size: P of a pixel.
        height, width: of an image.
        condition: of `level.features`; it enters every block. A map is read at the pixels that begin those of a block's
            resolution.

    References:
        Salimans, Karpathy, Chen, Kingma (2017), https://arxiv.org/abs/1701.05517, §2.3-2.5, figure 2.
    """

    def __init__(
        self,
        code: Encoding,
        channels: int,
        level: PlusLevel,
        size: int,
        *,
        height: int,
        width: int,
        condition: Condition,
    ) -> None:
        super().__init__(code, channels, height=height, width=width, condition=condition)
        features = level.channels
        self.first_u = WeightNormConv2d(self.channels, features, rows=2, columns=3, left=1)
        self.first_above = WeightNormConv2d(self.channels, features, columns=3, left=1)
        self.first_left = WeightNormConv2d(self.channels, features, rows=2, columns=1, left=1)
        self.level = level
        self.last = WeightNormConv2d(features, size, gain=0.1)
        for parameter in self.condition.parameters():
            nn.init.normal_(parameter, std=0.05)  # as the authors do: gates begin small

    def paint(self, codes: Tensor, cond: Tensor | None) -> Tensor:
        """(B, C', H, W) → (B, P, H, W)."""
        return self._whole(codes, cond, None)[0]

    def paint_rows(self, codes: Tensor, cond: Tensor | None, body: State) -> tuple[Tensor, State]:
        """(B, C', r, W) → (B, P, r, W)."""
        params, level = self._whole(codes, cond, body.level)
        return params, body._replace(codes=last_row(shift_down(codes)), level=level)

    def _whole(self, codes: Tensor, cond: Tensor | None, state: State) -> tuple[Tensor, State]:
        """The parameters (B, P, r, W), and of a fresh state of the levels the one below."""
        above = shift_down(codes)
        first = self.first_u(above), self.first_above(above) + self.first_left(codes)
        x, level = self.level(self.level.blocks[0].features(*first), cond, state)
        # In bf16 a mean near 1 would be known to half a level of 256 only.
        with without_autocast(codes.device):
            (params,) = self.last.mix([F.elu(x.ul.raw).to(self.last.bias.dtype)])
        return params, level

    def init_body(self, batch: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """Zeros, and scales."""
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        codes = torch.zeros(batch, self.channels, 1, self.width, **options)
        return PlusState(
            codes.contiguous(memory_format=torch.channels_last),
            torch.zeros(batch, self.width, self.level.channels, **options),
            scales((self.first_left, self.last), batch, dtype),
            self.level.init_state(batch, width=self.width, **options),
        )

    def start_row(self, row: Tensor, cond: Tensor | None, body: State, phase: Any) -> State:
        """All of u, and what ul takes from above."""
        codes = last_row(row[:, :, None])
        u = feature(self.first_u(codes, body.codes))
        _, level = self.level.start_row(u, None if cond is None else cond[:, :, None], body.level, phase.rows)
        entry = by_pixel([self.first_above(codes) + self.first_left.above(codes)])
        return PlusState(codes, entry, body.scales, level)

    def step_pixel(self, code: Tensor, body: State, column: Tensor, phase: Any) -> tuple[Tensor, State]:
        """A pixel of ul."""
        column, (first, last) = column.reshape(1), body.scales
        ul = feature(self.first_left.onto(body.entry.index_select(1, column)[:, 0], code, first))
        ul, level = self.level.step(ul, body.level, column, phase.rows, phase.pixels)
        return self.last.onto(self.last.bias, F.elu(ul.raw), last), body._replace(level=level)

    def schedule(self, length: int) -> Sequence[Hashable]:
        """A coarser resolution begins a row with every second row of the finer one, and so with pixels."""
        places, deepest = [], self.level.scales - 1
        for t in range(length):
            row, column = divmod(t, self.width)
            rows = min(_halvings(row), deepest)
            places.append(PlusPlace(column == 0, rows, min(rows, _halvings(column))))
        return places

    def connect(self, reads: Tensor, cond: Tensor | None = None) -> Tensor:
        """The reads of ul."""
        own = reads[0]
        above = F.pad(own[:-1], (0, 0, 0, 0, 1, 0))
        ul = self.first_above.connect(above) | self.first_left.connect(own)
        return self.level.connect(Twin(self.first_u.connect(above), ul), cond).ul[None]

    @property
    def depths(self) -> dict[str, nn.Module]:
        """The blocks of ul at full resolution."""
        return {f"layer {i}": block.ul for i, block in enumerate(self.level.blocks, start=1)}


def _halvings(index: int) -> int:
    """How often 2 divides it: of 0, more often than any image can be halved."""
    return (index & -index).bit_length() - 1 if index else 64
