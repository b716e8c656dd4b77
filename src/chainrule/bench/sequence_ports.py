"""A TCN and a WaveNet of the blocks that published PyTorch code has: what training ours is measured beside."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


class Chomp(nn.Module):
    """Without the last n steps: what padding on both sides added at the end."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T + n) → (B, C, T)."""
        return x[:, :, : -self.n].contiguous()


class PlainTemporalBlock(nn.Module):
    """ReLU(f(x) + x), f twice convolution → chomp → ReLU → dropout, as in locuslab/TCN."""

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            pad = (kernel_size - 1) * dilation
            conv = nn.Conv1d(channels, outputs, kernel_size, padding=pad, dilation=dilation)
            layers += [weight_norm(conv), Chomp(pad), nn.ReLU(), nn.Dropout(dropout)]
        self.net = nn.Sequential(*layers)
        self.shortcut = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) → (B, C', T)."""
        return torch.relu(self.net(x) + self.shortcut(x))


class PlainTCN(nn.Module):
    """Blocks of dilation 1, 2, 4, … and a linear map, over the unit vectors and levels of the symbols before."""

    def __init__(self, levels: int, *, channels: int, depth: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.levels = levels
        blocks = [
            PlainTemporalBlock(
                channels if i else levels + 1,
                channels,
                kernel_size=kernel_size,
                dilation=2**i,
                dropout=dropout,
            )
            for i in range(depth)
        ]
        self.blocks, self.last = nn.Sequential(*blocks), nn.Conv1d(channels, levels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Levels (B, T) → logits (B, K, T)."""
        units = F.one_hot(x, self.levels).float()
        codes = torch.cat([units, x[..., None] / (self.levels - 1)], dim=-1)
        return self.last(self.blocks(F.pad(codes[:, :-1], (0, 0, 1, 0)).transpose(1, 2)))


class PlainWaveNetBlock(nn.Module):
    """Filter and gate, each a dilated convolution; 1×1 to the skip and, except in the last block, to the residual."""

    def __init__(self, channels: int, skip: int, *, kernel_size: int, dilation: int, last: bool) -> None:
        super().__init__()
        self.pad = (kernel_size - 1) * dilation
        self.filter, self.gate = (
            nn.Conv1d(channels, channels, kernel_size, dilation=dilation) for _ in range(2)
        )
        self.skip = nn.Conv1d(channels, skip, 1)
        self.residual = None if last else nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, T) → the same, and the skip (B, S, T)."""
        padded = F.pad(x, (self.pad, 0))
        z = torch.tanh(self.filter(padded)) * torch.sigmoid(self.gate(padded))
        return x if self.residual is None else x + self.residual(z), self.skip(z)


class PlainWaveNet(nn.Module):
    """A convolution, blocks, the sum of their skips, two 1×1."""

    def __init__(
        self, levels: int, *, channels: int, skip: int, depth: int, cycle: int, kernel_size: int
    ) -> None:
        super().__init__()
        self.levels, self.pad = levels, kernel_size - 1
        self.first = nn.Conv1d(1, channels, kernel_size)
        self.blocks = nn.ModuleList(
            PlainWaveNetBlock(
                channels, skip, kernel_size=kernel_size, dilation=2 ** (i % cycle), last=i == depth - 1
            )
            for i in range(depth)
        )
        self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(skip, skip, 1), nn.ReLU(), nn.Conv1d(skip, levels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Levels (B, T) → logits (B, K, T)."""
        codes = x.float() * (2 / (self.levels - 1)) - 1
        hidden = self.first(F.pad(codes[:, None, :-1], (self.pad + 1, 0)))
        total: Tensor | None = None
        for block in self.blocks:
            hidden, skip = block(hidden)
            total = skip if total is None else total + skip
        return self.last(total)
