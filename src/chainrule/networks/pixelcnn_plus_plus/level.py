"""One resolution of PixelCNN++, with the coarser ones inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from chainrule.layers.grid.weight_norm_conv2d import WeightNormConv2d, WeightNormDeconv2d, scales
from chainrule.layers.state import State, put_at
from chainrule.networks.pixelcnn_plus_plus.block import Feature, PlusBlock, Twin, by_pixel, feature, last_row


class LevelState(NamedTuple):
    """The state of one resolution, W pixels wide, N blocks; w = W/2 rounded up. The last five are () at the coarsest.

    Attributes:
        u: what each block's u leaves for the row below, (B, 2C, 1, W) twice.
        base: what each block's ul takes from above, (B, W, 3C·N): a row's work.
        row: what each block's ul leaves for the row below, and ul where it goes down, (B, W, 4C·N + C).
        left: of `row`, the pixel to the left.
        scales: of the weights that pixels are multiplied with.
        down: u where it goes down, (B, C, 1, W).
        entry: what ul takes from above there, (B, w, C).
        risen_u: two rows of u that came up, (B, C, 2, 2w).
        risen_ul: two rows of ul that came up, (B, 2w, 2C), upper and lower.
        inner: of the next resolution.
    """

    u: State
    base: Tensor
    row: Tensor
    left: Tensor
    scales: State
    down: State = ()
    entry: State = ()
    risen_u: State = ()
    risen_ul: State = ()
    inner: State = ()


class PlusLevel(nn.Module):
    """Blocks → down to half the resolution, through it and up, if there are more scales → the same number of blocks.

    A block of the second half reads what a block of the first was given, the last one's first. Where the resolution is
    halved, one block more reads what went down.

    Row i of half the resolution reads rows 2i - 1 and 2i, and gives rows 2i and 2i + 1; likewise columns. So it is made
    once, with row 2i, and what was strictly causal stays so.

    Args:
        channels: C.
        depth: blocks of the first half.
        scales: resolutions, this one included.
        dropout: in every block.
        shortcuts: whether the second half reads the first.
    """

    def __init__(self, channels: int, *, depth: int, scales: int, dropout: float, shortcuts: bool) -> None:
        super().__init__()
        self.channels, self.depth, self.scales, self.shortcuts = channels, depth, scales, shortcuts
        options: dict[str, Any] = {"depth": depth, "dropout": dropout, "shortcuts": shortcuts}
        kinds = [False] * depth + [shortcuts] * (depth + (scales > 1))
        self.blocks: Any = nn.ModuleList(PlusBlock(channels, shortcut=s, dropout=dropout) for s in kinds)
        self.inner: Any = None
        if scales > 1:
            sizes = {"rows": 2, "left": 1, "stride": 2}
            self.down_u = WeightNormConv2d(channels, channels, columns=3, **sizes)
            self.down_ul = WeightNormConv2d(channels, channels, columns=2, **sizes)
            self.inner = PlusLevel(channels, scales=scales - 1, **options)
            self.up_u = WeightNormDeconv2d(channels, channels, columns=3, left=1)
            self.up_ul = WeightNormDeconv2d(channels, channels)

    @property
    def features(self) -> int:
        """The number of features of the condition: 4C for each block, here and inside."""
        return 4 * self.channels * len(self.blocks) + (self.inner.features if self.inner else 0)

    def forward(
        self, x: Twin, cond: Tensor | None, state: LevelState | None = None
    ) -> tuple[Twin, LevelState | None]:
        """Rows 0 … r-1 at once: framed features (B, C, r, W) → the same; and from a fresh state the one below them."""
        parts, rest = self._parts(cond)
        width = x.u.raw.shape[3]
        given_u: list[State] = []
        given_ul: list[Tensor] = []
        went_down: list[Tensor] = []

        def through(i: int, x: Twin, skip: Twin | None) -> Twin:
            x, u, ul = self.blocks[i](x, skip, parts[i])
            if state is not None:
                given_u.append(tuple(_last_in_frame(part, width) for part in u))
                given_ul.extend(_last_in_frame(part, width) for part in ul)
            return x

        def around(x: Twin) -> Twin:
            nonlocal state
            u, ul = x.u.raw, x.ul.raw
            low = self.inner.blocks[0].features(self.down_u(u), self.down_ul(ul))
            low, inner = self.inner(low, rest, None if state is None else state.inner)
            wide = Twin(self.up_u(low.u.raw), self.up_ul(low.ul.raw))
            if state is not None:
                went_down.append(last_row(ul))
                state = state._replace(
                    down=last_row(u),
                    risen_u=wide.u[:, :, -2:].contiguous(memory_format=torch.channels_last),
                    risen_ul=wide.ul[:, :, -2:].permute(0, 3, 2, 1).flatten(2),
                    inner=inner,
                )
            return self.blocks[0].features(*(part[:, :, : u.shape[2], : u.shape[3]] for part in wide))

        x = self._travel(x, through, around)
        if state is None:
            return x, None
        return x, state._replace(u=tuple(given_u), row=by_pixel(given_ul + went_down))

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> LevelState:
        """Zeros above the first row, and the weights' scales."""
        n, c, half = len(self.blocks), self.channels, -(-width // 2)

        def zeros(*shape: int) -> Tensor:
            leaf = torch.zeros(batch, *shape, device=device, dtype=dtype)
            return leaf.contiguous(memory_format=torch.channels_last) if len(shape) == 3 else leaf

        state = LevelState(
            u=tuple((zeros(2 * c, 1, width), zeros(2 * c, 1, width)) for _ in range(n)),
            base=zeros(width, 3 * c * n),
            row=zeros(width, sum(self._kept)),
            left=zeros(sum(self._kept)),
            scales=tuple(scales(block.ul.convs, batch, dtype) for block in self.blocks),
        )
        if self.inner is None:
            return state
        return state._replace(
            scales=(*state.scales, scales((self.down_ul, self.up_ul), batch, dtype)),
            down=zeros(c, 1, width),
            entry=zeros(half, c),
            risen_u=zeros(c, 2, 2 * half),
            risen_ul=zeros(2 * half, 2 * c),
            inner=self.inner.init_state(batch, width=half, device=device, dtype=dtype),
        )

    def start_row(
        self, u: Feature, cond: Tensor | None, state: LevelState, deeper: int
    ) -> tuple[Feature, LevelState]:
        """A row of u, (B, C, 1, W) → the same, and the state in which its pixels begin.

        `deeper` coarser resolutions begin a row with it.
        """
        parts, rest = self._parts(cond)
        above, rows = state.u, state.row.transpose(1, 2)[:, :, None].split(self._kept, dim=1)
        left_u: list[State] = []
        bases: list[Tensor] = []

        def through(i: int, u: Feature, skip: Feature | None) -> Feature:
            u, left, base = self.blocks[i].start_row(u, skip, parts[i], above[i], rows[2 * i : 2 * i + 2])
            left_u.append(left)
            bases.extend(base)
            return u

        def around(u: Feature) -> Feature:
            nonlocal state
            if deeper:
                low = feature(self.down_u(u.raw, state.down))
                low, inner = self.inner.start_row(low, rest, state.inner, deeper - 1)
                entry = by_pixel([self.down_ul.above(rows[-1])])
                risen = self.up_u(low.raw).contiguous(memory_format=torch.channels_last)
                state = state._replace(entry=entry, risen_u=risen, inner=inner)
            state = state._replace(down=last_row(u.raw))
            upper, lower = state.risen_u[..., : u.raw.shape[3]].split(1, dim=2)
            return feature(upper if deeper else lower)

        u = self._travel(u, through, around)
        return u, state._replace(u=tuple(left_u), base=by_pixel(bases), left=torch.zeros_like(state.left))

    def step(
        self, ul: Feature, state: LevelState, column: Tensor, rows: int, pixels: int
    ) -> tuple[Feature, LevelState]:
        """A pixel of ul, (B, C) → the same. `rows` coarser resolutions began a row with its row, `pixels` have a pixel.

        `column` is an integer tensor (1,).
        """
        c = self.channels
        base = state.base.index_select(1, column)[:, 0].split([c, 2 * c] * len(self.blocks), dim=1)
        left = state.left.split(self._kept, dim=1)
        kept: list[Tensor] = []
        went_down: list[Tensor] = []

        def through(i: int, ul: Feature, skip: Feature | None) -> Feature:
            both = slice(2 * i, 2 * i + 2)
            y, inner = self.blocks[i].ul.step(
                ul, skip.act if skip else None, left[both], base[both], state.scales[i]
            )
            kept.extend((ul.act, inner))
            return feature(y)

        def around(ul: Feature) -> Feature:
            nonlocal state
            went_down.append(ul.raw)
            if pixels:
                half, (down, up) = column // 2, state.scales[-1]
                entry = state.entry.index_select(1, half)[:, 0]
                low = feature(self.down_ul.onto(entry, torch.cat([left[-1], ul.raw], dim=1), down))
                low, inner = self.inner.step(low, state.inner, half, rows - 1, pixels - 1)
                four, pair = self.up_ul.at(low.raw, up), torch.cat([2 * half, 2 * half + 1])
                state = state._replace(risen_ul=put_at(state.risen_ul, pair, four), inner=inner)
            upper, lower = state.risen_ul.index_select(1, column)[:, 0].chunk(2, dim=1)
            return feature(upper if rows else lower)

        ul = self._travel(ul, through, around)
        pixel = torch.cat(kept + went_down, dim=1)
        return ul, state._replace(row=put_at(state.row, column, pixel[:, None]), left=pixel)

    def connect(self, x: Twin, cond: Tensor | None) -> Twin:
        """Booleans (H, W, N) each; `cond` is what the condition reads."""

        def through(i: int, x: Twin, skip: Twin | None) -> Twin:
            return self.blocks[i].connect(x, skip, cond)

        def around(x: Twin) -> Twin:
            low = Twin(self.down_u.connect(x.u), self.down_ul.connect(x.ul))
            low = self.inner.connect(low, None if cond is None else cond[::2, ::2])
            height, width, _ = x.u.shape
            wide = self.up_u.connect(low.u), self.up_ul.connect(low.ul)
            return Twin(*(part[:height, :width] for part in wide))

        return self._travel(x, through, around)

    def _travel(self, x: Any, through: Callable[..., Any], around: Callable[..., Any]) -> Any:
        """`through(i, x, shortcut)` block i, and `around(x)` the coarser resolutions, in order."""
        trail = []
        for i in range(self.depth):
            trail.append(x)
            x = through(i, x, None)
        if self.inner is not None:
            trail.append(x)
            x = around(x)
        for i in range(self.depth, len(self.blocks)):
            skip = trail.pop()
            x = through(i, x, skip if self.shortcuts else None)
        return x

    @property
    def _kept(self) -> list[int]:
        """Channels of the parts of `LevelState.row`."""
        c = self.channels
        return [2 * c] * (2 * len(self.blocks)) + ([c] if self.inner is not None else [])

    def _parts(self, cond: Tensor | None) -> tuple[Any, Tensor | None]:
        """The condition's features (B, F, H, W) or broadcast to it: of each block here, and at half the resolution."""
        n = len(self.blocks)
        if cond is None:
            return [None] * n, None
        own = 4 * self.channels * n
        return cond[:, :own].chunk(n, dim=1), cond[:, own:, ::2, ::2]


def _last_in_frame(x: Tensor, width: int) -> Tensor:
    """(B, C, 1 + H, 1 + W + …) → (B, C, 1, W)."""
    return last_row(x[..., 1 : 1 + width])
