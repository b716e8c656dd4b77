"""The nets of coupling layers, which need no inverse. Their last layer starts at 0: a coupling is the identity."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def perceptron(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """(B, inputs) → (B, outputs), SiLU between: densities without kinks."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.SiLU()]
        inputs = width
    return nn.Sequential(*layers, _silent(nn.Linear(inputs, outputs)))


class ResidualConvs(nn.Module):
    """(B, C, H, W) → (B, outputs, H, W): residual blocks of two 3×3 convolutions.

    Args:
        inputs: C.
        channels: of the blocks.
        depth: how many blocks.
        outputs: channels.
    """

    def __init__(self, inputs: int, channels: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(),
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(channels, channels, 3, padding=1),
            )
            for _ in range(depth)
        )
        self.last = _silent(nn.Conv2d(channels, outputs, 1))

    def forward(self, y: Tensor) -> Tensor:
        """(B, C, H, W) → (B, outputs, H, W)."""
        y = self.first(y)
        for block in self.blocks:
            y = y + block(y)
        return self.last(F.silu(y))


def _silent(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
