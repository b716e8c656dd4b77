"""A gated PixelCNN with the layers of pytorch-generative, written afresh: what training ours is measured beside."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def gate(x: Tensor) -> Tensor:
    """(B, 2C, H, W) → (B, C, H, W)."""
    f, g = x.chunk(2, dim=1)
    return torch.tanh(f) * torch.sigmoid(g)


class GatedLayer(nn.Module):
    """A vertical stack of a 1×n and an n//2+1 × 1 convolution, a horizontal one along the row, and a skip.

    Args:
        inputs, outputs: channels.
        size: n.
        first: whether the horizontal stack leaves out its own pixel; there is no residual then.
    """

    def __init__(self, inputs: int, outputs: int, size: int, *, first: bool) -> None:
        super().__init__()
        half, wide = size // 2, 2 * outputs
        self.first = first
        self.across = nn.Conv2d(inputs, outputs, (1, size), padding=(0, half))
        self.down = nn.Conv2d(outputs, wide, (half + 1, 1), padding=(half + 1, 0))
        self.own = nn.Conv2d(inputs, wide, 1)
        self.link = nn.Conv2d(wide, wide, 1)
        self.along = nn.Conv2d(inputs, wide, (1, half + 1), padding=(0, half + first))
        self.residual, self.skip = nn.Conv2d(outputs, outputs, 1), nn.Conv2d(outputs, outputs, 1)

    def forward(self, vertical: Tensor, horizontal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, H, W) each → both stacks, and the skip."""
        height, width = vertical.shape[2:]
        below = self.down(self.across(vertical))[:, :, :height]
        link = self.link(below)
        hidden = gate(link + self.along(horizontal)[..., :width])
        out = self.residual(hidden)
        return gate(below + self.own(vertical)), out if self.first else out + horizontal, self.skip(hidden)


class GatedPort(nn.Module):
    """The net: a layer of 7×7, `depth` of 3×3, the sum of their skips, two 1×1."""

    def __init__(self, *, channels: int, depth: int) -> None:
        super().__init__()
        layers = [GatedLayer(1, channels, 7, first=True)]
        layers += [GatedLayer(channels, channels, 3, first=False) for _ in range(depth)]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Bits (B, 1, H, W) as floats → logits (B, 1, H, W)."""
        vertical, horizontal, skips = x, x, []
        for layer in self.layers:
            vertical, horizontal, skip = layer(vertical, horizontal)
            skips.append(skip)
        return self.head(sum(skips[1:], skips[0]))
