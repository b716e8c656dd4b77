"""The gated residual block of PixelCNN++, and two of them side by side."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.normed_conv import NormedConv
from chainrule.layers.state import State


class Twin(NamedTuple):
    """Features of the two streams: of the rows above (u), and of these and the pixels to the left (ul)."""

    u: Tensor
    ul: Tensor


def concat_elu(x: Tensor) -> Tensor:
    """elu of x and of -x: (B, C, …) → (B, 2C, …)."""
    return F.elu(torch.cat([x, -x], dim=1), inplace=True)


def activate(x: Twin) -> Twin:
    """`concat_elu` of both streams."""
    return Twin(concat_elu(x.u), concat_elu(x.ul))


class PlusResidual(nn.Module):
    """y = x + a ⊙ σ(b), (a, b) = conv(drop(celu(conv(celu x) + nin(celu auxiliary)))) + condition, celu = concat-ELU.

    Features come with their activations, which several blocks read. Each convolution reads two rows.

    Args:
        channels: C.
        auxiliary: channels of the auxiliary input's activations; those known when a row begins first.
        columns: of the convolutions, one of them to the left.
        dropout: before the second convolution.
    """

    def __init__(self, channels: int, auxiliary: int, *, columns: int, dropout: float) -> None:
        super().__init__()
        sizes = {"rows": 2, "columns": columns, "left": 1}
        self.channels = channels
        self.first = NormedConv(2 * channels, channels, **sizes)
        self.nin = NormedConv(auxiliary, channels) if auxiliary else None
        self.dropout = nn.Dropout(dropout)
        self.second = NormedConv(2 * channels, 2 * channels, **sizes, gain=0.1)

    def forward(
        self,
        x: Tensor,
        act: Tensor,
        auxiliary: Tensor | None,
        cond: Tensor | None,
        above: State = (None, None),
    ) -> tuple[Tensor, State]:
        """(B, C, H, W), its activation and the auxiliary ones → (B, C, H, W), and what the row below reads.

        The latter is what both convolutions were given in the last row, (B, 2C, 1, W) each; `above` is the same of
        the row above, by default zeros.
        """
        hidden = self.first(act, above[0])
        if self.nin is not None:
            hidden = hidden + self.nin(auxiliary)
        inner = self.dropout(concat_elu(hidden))
        gates = self.second(inner, above[1])
        return _gated(x, gates if cond is None else gates + cond), (last_row(act), last_row(inner))

    def above(self, rows: State, auxiliary: Tensor | None, cond: Tensor | None) -> list[Tensor]:
        """All that a row takes from others than its own pixels: of both convolutions, (B, C, W) and (B, 2C, W).

        Of two rows (B, 2C, W), and of auxiliary activations those that are known, (B, C', W).
        """
        hidden, gates = self.first.above(rows[0]), self.second.above(rows[1])
        if self.nin is not None:
            hidden = hidden + self.nin.above(auxiliary)
        return [hidden, gates if cond is None else gates + cond]

    def scales(self) -> list[Tensor]:
        """Of the weights, for `step`."""
        return [conv.scale() for conv in (self.first, self.second, self.nin) if conv is not None]

    def step(
        self, x: Tensor, act: Tensor, auxiliary: Tensor | None, left: State, base: State, scales: State
    ) -> tuple[Tensor, Tensor]:
        """A pixel (B, C) and its activation → (B, C), and what the second convolution was given (B, 2C).

        `auxiliary` are the activations that the row's work did not know, `left` what the convolutions were given at
        the pixel to the left, `base` what `above` gave here.
        """
        hidden = self.first.onto(base[0], torch.cat([left[0], act], dim=1), scales[0])
        if auxiliary is not None:
            hidden = self.nin.onto(hidden, auxiliary, scales[2])
        inner = concat_elu(hidden)
        return _gated(x, self.second.onto(base[1], torch.cat([left[1], inner], dim=1), scales[1])), inner

    def connect(self, reads: Tensor, auxiliary: Tensor | None) -> Tensor:
        """Booleans (H, W, N) → (H, W, N)."""
        hidden = self.first.connect(reads)
        return reads | self.second.connect(hidden if auxiliary is None else hidden | auxiliary)


class PlusBlock(nn.Module):
    """A block of either stream: u reads the short-cut of its own stream, ul what u gives and its own short-cut.

    Args:
        channels: C.
        shortcut: whether it is on the way up and reads short-cuts.
        dropout: see `PlusResidual`.
    """

    def __init__(self, channels: int, *, shortcut: bool, dropout: float) -> None:
        super().__init__()
        wide = 2 * channels
        self.shortcut = shortcut
        self.u = PlusResidual(channels, wide * shortcut, columns=3, dropout=dropout)
        self.ul = PlusResidual(channels, wide * (1 + shortcut), columns=2, dropout=dropout)

    def forward(
        self, x: Twin, act: Twin, skip: Twin | None, cond: Tensor | None
    ) -> tuple[Twin, Twin, State, State]:
        """Features and activations (B, C, H, W) → the same, and what each stream leaves for the row below."""
        for_u, for_ul = _halves(cond)
        u, below_u = self.u(x.u, act.u, skip.u if skip else None, for_u)
        act_u = concat_elu(u)
        auxiliary = torch.cat([act_u, skip.ul], dim=1) if skip else act_u
        ul, below_ul = self.ul(x.ul, act.ul, auxiliary, for_ul)
        return Twin(u, ul), Twin(act_u, concat_elu(ul)), below_u, below_ul

    def start_row(
        self, u: Tensor, act: Tensor, skip: Tensor | None, cond: Tensor | None, above: State, rows: State
    ) -> tuple[Tensor, Tensor, State, list[Tensor]]:
        """A row of u, (B, C, 1, W), and its activation → the same, what it leaves, and what ul's pixels start from.

        `above` is what u left in the row above, `rows` what ul did.
        """
        for_u, for_ul = _halves(cond)
        u, below = self.u(u, act, skip, for_u, above)
        act = concat_elu(u)
        return u, act, below, self.ul.above(rows, act[:, :, 0], None if cond is None else for_ul[:, :, 0])

    def connect(self, u: Tensor, ul: Tensor, skip: Twin | None) -> Twin:
        """Booleans (H, W, N) each."""
        u = self.u.connect(u, skip.u if skip else None)
        return Twin(u, self.ul.connect(ul, u | skip.ul if skip else u))


def last_row(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, 1, W), a copy: the rest may go."""
    return x[:, :, -1:].contiguous()


def _gated(x: Tensor, gates: Tensor) -> Tensor:
    a, b = gates.chunk(2, dim=1)
    return torch.addcmul(x, a, torch.sigmoid(b))


def _halves(cond: Tensor | None) -> tuple:
    return (None, None) if cond is None else cond.chunk(2, dim=1)
