"""Features of a low rate, a frame for every few sites, brought into every gate of a stack."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F


class FrameFeatures(nn.Module):
    """y = f(h), f a transposed convolution to the rate of the sites; a 1×1 of y is added to every block's gates.

    A frame holds what belongs to its own `hop` sites, of which it may know all: it is given, not modelled.

    Args:
        channels: K, of frames and of y.
        hop: sites a frame.
        gates: channels of a block's gates.
        blocks: how many.

    References:
        van den Oord et al. (2016), "WaveNet", https://arxiv.org/abs/1609.03499, §2.5
    """

    def __init__(self, channels: int, *, hop: int, gates: int, blocks: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose1d(channels, channels, hop, stride=hop)
        # A site sums over the channels of one frame; torch's initialisation divides by all hop taps as well.
        bound = 1 / math.sqrt(channels)
        nn.init.uniform_(self.upsample.weight, -bound, bound)
        self.enter = nn.Linear(channels, blocks * gates, bias=False)
        self.blocks, self.hop = blocks, hop

    def forward(self, frames: Tensor, n: int) -> Iterator[Tensor]:
        """What each block is given at the first n sites: (B, K, T') → (B, n, gates), one block's at a time."""
        y = self.upsample(frames[..., : -(-n // self.hop)])[..., :n].transpose(1, 2)
        return (F.linear(y, weight) for weight in self.enter.weight.chunk(self.blocks))

    def at(self, frames: Tensor, t: Tensor) -> Tensor:
        """What all blocks are given at site t: (B, K, T') → (B, blocks·gates)."""
        t = t.reshape(1)
        frame = frames.index_select(2, t // self.hop)[..., 0]
        taps = self.upsample.weight.index_select(2, t % self.hop)[..., 0]
        return self.enter(frame @ taps + self.upsample.bias)
