"""The two stacks of the gated PixelCNN."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.condition import Condition
from chainrule.layers.dropout import Dropout
from chainrule.layers.encoding import Encoding
from chainrule.layers.gate import gate, gate_images
from chainrule.layers.grid.grid import GridLayer, GridSerial
from chainrule.layers.grid.pixel_conv import PixelConv
from chainrule.layers.grid.row_conv import RowConv, shift_down
from chainrule.layers.state import State
from chainrule.networks.raster import Raster


class Gate(GridLayer):
    """`gate_images` as a layer.

    Args:
        groups: G.
    """

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2C, H, W) → (B, C, H, W)."""
        return gate_images(x, self.groups)

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """Nothing to remember."""
        return ()

    def start_row(self, state: State) -> State:
        """Nothing to do."""
        return state

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """(B, 2C_g) → (B, C_g)."""
        return gate(x, dim=1), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, 2C, r, W) → (B, C, r, W)."""
        return self(x), state

    def connect(self, reads: Tensor) -> Tensor:
        """The same."""
        return reads


class GatedBlock(nn.Module):
    """Vertical and horizontal convolution, the first linked into the second before the gate.

    Args:
        vertical, along: channels C' of the two stacks → 2C.
        groups: G.
        dropout: after the horizontal gate.
        residual: whether the horizontal output is added to its input.
    """

    def __init__(
        self, vertical: RowConv, along: PixelConv, *, groups: int, dropout: float, residual: bool
    ) -> None:
        super().__init__()
        wide = along.outs[-1]
        self.vertical, self.along, self.residual, self.groups = vertical, along, residual, groups
        self.link = nn.Conv2d(wide, wide, 1)
        self.dropout = Dropout(dropout)
        self.out = PixelConv(wide // 2, wide // 2, groups=groups)

    def forward(
        self, v: Tensor, h: Tensor, cond: Tensor | None, below: RowConv | None
    ) -> tuple[Tensor, Tensor]:
        """Both stacks, (B, C, H, W) each; the condition (B, 4C, H, W), or broadcast to it.

        The vertical one is framed by the zeros that its convolution reads, and given framed for the next block's,
        `below`; without one it is not made.
        """
        z = self.vertical.within(v)
        base = self.link(z)
        if cond is not None:
            for_v, for_h = cond.chunk(2, dim=1)
            z, base = z + for_v, base + for_h
        y = self.out(self.dropout(gate_images(self.along(h) + base, self.groups)))
        v = v if below is None else gate_images(z, above=below.rows - 1, side=below.side)
        return v, h + y if self.residual else y

    def start_row(self, v: Tensor, cond: Tensor | None, state: State) -> tuple[Tensor, Tensor, State]:
        """A row of the vertical stack (B, C, W) → the next one's, and what it adds to the horizontal one (B, W, 2C)."""
        z, state = self.vertical.step(v, state)
        base = F.conv1d(z, self.link.weight[:, :, 0], self.link.bias)
        if cond is not None:
            for_v, for_h = cond.chunk(2, dim=1)
            z, base = z + for_v, base + for_h
        return gate(z, dim=1), base.transpose(1, 2), state

    def step(self, h: Tensor, base: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """A pixel of the horizontal stack: (B, C_g), and what the vertical one adds, (B, 2C_g)."""
        along, out = state
        z, along = self.along.step_onto(base, h, along, group)
        y, out = self.out.step(gate(z, dim=1), out, column, group)
        return h + y if self.residual else y, (along, out)

    def init_state(self, batch: int, **options: Any) -> tuple[State, State]:
        """The states of the vertical convolution and of the horizontal layers."""
        along, out = (layer.init_state(batch, **options) for layer in (self.along, self.out))
        return self.vertical.init_state(batch, **options), (along, out)


class GatedState(NamedTuple):
    """Each block's rows, what they add to the row being made (B, W, 2C·blocks), each block's pixels to the left, and
    the state of the last layers."""

    rows: State
    bases: Tensor
    along: State
    last: State


class GatedStack(Raster):
    """A vertical stack that sees all rows above, and a horizontal one along the row: no blind spot.

    The input of the first is shifted down by a row, that of the second is strict; all later layers read their own
    place. Conditions enter every gate.

    Args:
        code, channels: see `Raster`.
        height, width: of an image.
        groups: G.
        features: C of both stacks, a multiple of G.
        depth: blocks after the first.
        first_size, kernel_size: of the first convolution and of the others; odd.
        dropout: after the horizontal gates.
        last: from the horizontal stack's C channels to G·P.
        condition: of 4C·(depth + 1) features.

    References:
        van den Oord et al. (2016), "Conditional image generation with PixelCNN decoders", §2,
        https://arxiv.org/abs/1606.05328
    """

    def __init__(
        self,
        code: Encoding,
        channels: int,
        *,
        height: int,
        width: int,
        groups: int,
        features: int,
        depth: int,
        first_size: int,
        kernel_size: int,
        dropout: float,
        last: GridSerial,
        condition: Condition,
    ) -> None:
        super().__init__(code, channels, height=height, width=width, groups=groups, condition=condition)
        wide, half = 2 * features, kernel_size // 2
        options: dict[str, Any] = {"groups": groups, "dropout": dropout}
        blocks = [
            GatedBlock(
                RowConv(self.channels, wide, rows=first_size // 2, kernel_size=first_size),
                PixelConv(self.channels, wide, left=first_size // 2, groups=groups, strict=True, bias=False),
                **options,
                residual=False,
            )
        ]
        blocks += [
            GatedBlock(
                RowConv(features, wide, rows=half + 1, kernel_size=kernel_size),
                PixelConv(features, wide, left=half, groups=groups, bias=False),
                **options,
                residual=True,
            )
            for _ in range(depth)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.last = last

    def paint(self, codes: Tensor, cond: Tensor | None) -> Tensor:
        """(B, C, H, W) → (B, G·P, H, W)."""
        return self._through(codes, cond)[0]

    def _through(self, codes: Tensor, cond: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """The parameters, and what each vertical convolution reads, framed."""
        blocks = self._with(cond)
        convs = [block.vertical for block, _ in blocks]
        v, h, read = convs[0].frame(shift_down(codes)), codes, []
        for (block, added), below in zip(blocks, [*convs[1:], None], strict=True):
            read.append(v)
            v, h = block(v, h, added, below)
        return self.last(h), read

    def init_body(self, batch: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """Zeros."""
        options: dict[str, Any] = {"width": self.width, "device": device, "dtype": dtype}
        pairs = [block.init_state(batch, **options) for block, _ in self._with(None)]
        rows, along = zip(*pairs, strict=True)
        wide = sum(block.along.outs[-1] for block, _ in self._with(None))
        bases = torch.zeros(batch, self.width, wide, device=device, dtype=dtype)
        return GatedState(rows, bases, along, self.last.init_state(batch, **options))

    def start_row(self, row: Tensor, cond: Tensor | None, body: State, phase: Any) -> State:
        """All of the vertical stack."""
        v, bases, rows, along = row, [], [], []
        for (block, added), above, left in zip(self._with(cond), body.rows, body.along, strict=True):
            v, base, above = block.start_row(v, added, above)
            bases.append(base)
            rows.append(above)
            along.append((block.along.start_row(left[0]), block.out.start_row(left[1])))
        return GatedState(tuple(rows), torch.cat(bases, dim=2), tuple(along), self.last.start_row(body.last))

    def step_pixel(self, code: Tensor, body: State, column: Tensor, phase: Any) -> tuple[Tensor, State]:
        """A pixel of the horizontal stack."""
        base = body.bases.index_select(1, column.reshape(1))[:, 0]
        h, start, after = code, 0, []
        for (block, _), left in zip(self._with(None), body.along, strict=True):
            outs = block.along.outs
            own = base[:, start + outs[phase.group] : start + outs[phase.group + 1]]
            h, left = block.step(h, own, left, column, phase.group)
            after.append(left)
            start += outs[-1]
        params, last = self.last.step(h, body.last, column, phase.group)
        return params, GatedState(body.rows, body.bases, tuple(after), last)

    def paint_rows(self, codes: Tensor, cond: Tensor | None, body: State) -> tuple[Tensor, State]:
        """The vertical convolutions keep their last rows; the rest begins afresh with the next row."""
        params, read = self._through(codes, cond)
        kept = zip(self._with(None), read, body.rows, strict=True)
        rows = tuple(block.vertical.keep(block.vertical.inside(v), above) for (block, _), v, above in kept)
        return params, body._replace(rows=rows)

    def connect(self, reads: Tensor, cond: Tensor | None = None) -> Tensor:
        """The reads of both stacks; the condition's enter both gates of each block."""
        v, h = F.pad(reads[:, :-1], (0, 0, 0, 0, 1, 0)), reads
        given = torch.zeros_like(reads[0]) if cond is None else cond
        for block, _ in self._with(None):
            v = block.vertical.connect(v) | given
            own = block.out.connect(v | block.along.connect(h))
            h = h | own if block.residual else own
        return self.last.connect(h)

    def _with(self, cond: Tensor | None) -> list[tuple[Any, Tensor | None]]:
        """The blocks, each with its part of the condition's features."""
        parts = [None] * len(self.blocks) if cond is None else cond.chunk(len(self.blocks), dim=1)
        return list(zip(self.blocks, parts, strict=True))
