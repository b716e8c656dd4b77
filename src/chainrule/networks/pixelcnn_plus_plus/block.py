"""The gated residual block of PixelCNN++, and two of them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.dropout import Dropout
from chainrule.layers.grid.weight_norm_conv2d import WeightNormConv2d
from chainrule.layers.state import State
from chainrule.networks.pixelcnn_plus_plus.framed import framed_elu, gated, unframed


class Feature(NamedTuple):
    """Features (B, C, …) and what blocks read of them, their concat-ELU (B, 2C, …); of whole images in its frame."""

    raw: Tensor
    act: Tensor


class Twin(NamedTuple):
    """Something of each stream: of the rows above (u), and of these and the pixels to the left (ul)."""

    u: Any
    ul: Any


def concat_elu(x: Tensor) -> Tensor:
    """elu of x and of -x: (B, C, …) → (B, 2C, …)."""
    return F.elu(torch.cat([x, -x], dim=1), inplace=True)


def feature(x: Tensor) -> Feature:
    """The features with their activation."""
    return Feature(x, concat_elu(x))


class PlusResidual(nn.Module):
    """y = x + a ⊙ σ(b), (a, b) = conv(drop(celu(conv(celu x) + nin(celu auxiliary)))) + condition; celu is concat-ELU.

    Both convolutions read the row above and their own. A row's work is all that comes from above, and of the auxiliary
    activations those that are known when a row begins.

    Args:
        channels: C.
        auxiliary: channels of the auxiliary activations, those known first.
        columns: of the convolutions, one of them to the left.
        dropout: before the second convolution.
    """

    def __init__(self, channels: int, auxiliary: int, *, columns: int, dropout: float) -> None:
        super().__init__()
        sizes = {"rows": 2, "columns": columns, "left": 1}
        self.first = WeightNormConv2d(2 * channels, channels, **sizes)
        self.nin = WeightNormConv2d(auxiliary, channels) if auxiliary else None
        self.dropout = Dropout(dropout)
        self.second = WeightNormConv2d(2 * channels, 2 * channels, **sizes, gain=0.1)

    def feature(self, x: Tensor) -> Feature:
        """Whole images (B, C, H, W), with their activation framed for another block of this kind."""
        return Feature(x, framed_elu(x, self.first.sides))

    def forward(self, x: Feature, auxiliary: Sequence[Tensor], cond: Tensor | None) -> tuple[Tensor, State]:
        """(B, C, H, W) → (B, C, H, W), and what both convolutions were given, framed like the auxiliary activations."""
        hidden, width = self.first.within(x.act), x.raw.shape[3]
        if self.nin is not None:
            for mixed in self.nin.mix(auxiliary):
                hidden = hidden + unframed(mixed, width)
        dropped = self.dropout.p if self.training else 0.0
        inner = framed_elu(hidden, self.first.sides, dropped)
        gates = self.second.within(inner, 1 - dropped)
        y = gated(x.raw, gates if cond is None else gates + cond)
        return y, (x.act, inner)

    def row(
        self, x: Feature, auxiliary: Tensor | None, cond: Tensor | None, above: State
    ) -> tuple[Tensor, State]:
        """The same for one row (B, C, 1, W), below what was given in the row above, (B, 2C, 1, W) each."""
        hidden = self.first(x.act, above[0])
        if self.nin is not None:
            hidden = hidden + self.nin(auxiliary)
        inner = concat_elu(hidden)
        gates = self.second(inner, above[1])
        return _gated(x.raw, gates if cond is None else gates + cond), (last_row(x.act), last_row(inner))

    def above(self, rows: State, auxiliary: Tensor, cond: Tensor | None) -> list[Tensor]:
        """A row's work: what `forward` left in the row above → for each convolution, (B, C, 1, W) and (B, 2C, 1, W)."""
        hidden, gates = self.first.above(rows[0]), self.second.above(rows[1])
        return [hidden + self.nin.above(auxiliary), gates if cond is None else gates + cond]

    @property
    def convs(self) -> list[WeightNormConv2d]:
        """The convolutions whose scales `step` takes, in its order."""
        return [conv for conv in (self.first, self.second, self.nin) if conv is not None]

    def step(
        self, x: Feature, auxiliary: Tensor | None, left: State, base: State, scales: State
    ) -> tuple[Tensor, Tensor]:
        """A pixel (B, C) → (B, C), and what the second convolution was given (B, 2C).

        `auxiliary` is what a row's work did not know, `left` what the convolutions were given at the pixel to the left,
        `base` what `above` gave here.
        """
        hidden = self.first.onto(base[0], torch.cat([left[0], x.act], dim=1), scales[0])
        if auxiliary is not None:
            hidden = self.nin.onto(hidden, auxiliary, scales[2])
        inner = concat_elu(hidden)
        gates = self.second.onto(base[1], torch.cat([left[1], inner], dim=1), scales[1])
        return _gated(x.raw, gates), inner

    def connect(self, reads: Tensor, auxiliary: Tensor | None, cond: Tensor | None) -> Tensor:
        """Booleans (H, W, N) → (H, W, N)."""
        hidden = self.first.connect(reads)
        reads = reads | self.second.connect(hidden if auxiliary is None else hidden | auxiliary)
        return reads if cond is None else reads | cond


class PlusBlock(nn.Module):
    """A block of either stream: u reads the short-cut of its own stream, ul what u gives and its own short-cut.

    Args:
        channels: C.
        shortcut: whether there are short-cuts.
        dropout: see `PlusResidual`.
    """

    def __init__(self, channels: int, *, shortcut: bool, dropout: float) -> None:
        super().__init__()
        wide = 2 * channels
        self.u = PlusResidual(channels, wide * shortcut, columns=3, dropout=dropout)
        self.ul = PlusResidual(channels, wide * (1 + shortcut), columns=2, dropout=dropout)

    def features(self, u: Tensor, ul: Tensor) -> Twin:
        """Whole images with their activations, for another block."""
        return Twin(self.u.feature(u), self.ul.feature(ul))

    def forward(self, x: Twin, skip: Twin | None, cond: Tensor | None) -> tuple[Twin, State, State]:
        """Whole images (B, C, H, W) → the same, and what the convolutions of each stream were given."""
        for_u, for_ul = _halves(cond)
        y, below_u = self.u(x.u, [skip.u.act] if skip else [], for_u)
        u = self.u.feature(y)
        ul, below_ul = self.ul(x.ul, [u.act, skip.ul.act] if skip else [u.act], for_ul)
        return Twin(u, self.ul.feature(ul)), below_u, below_ul

    def start_row(
        self, u: Feature, skip: Feature | None, cond: Tensor | None, above: State, rows: State
    ) -> tuple[Feature, State, list[Tensor]]:
        """A row of u, (B, C, 1, W) → the same, what it leaves for the row below, and what ul's pixels start from.

        `above` is what u left in the row above, `rows` what ul did.
        """
        for_u, for_ul = _halves(cond)
        y, below = self.u.row(u, skip.act if skip else None, for_u, above)
        u = feature(y)
        return u, below, self.ul.above(rows, u.act, for_ul)

    def connect(self, x: Twin, skip: Twin | None, cond: Tensor | None) -> Twin:
        """Booleans (H, W, N) each."""
        u = self.u.connect(x.u, skip.u if skip else None, cond)
        return Twin(u, self.ul.connect(x.ul, u | skip.ul if skip else u, cond))


def last_row(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, 1, W), a copy of its own: the rest may go."""
    return x[:, :, -1:].clone(memory_format=torch.channels_last)


def by_pixel(parts: list[Tensor]) -> Tensor:
    """Rows (B, C_i, 1, W) → (B, W, ΣC_i)."""
    return torch.cat(parts, dim=1)[:, :, 0].transpose(1, 2).contiguous()


def _gated(x: Tensor, gates: Tensor) -> Tensor:
    a, b = gates.chunk(2, dim=1)
    return torch.addcmul(x, a, torch.sigmoid(b))


def _halves(cond: Tensor | None) -> tuple:
    return (None, None) if cond is None else cond.chunk(2, dim=1)
