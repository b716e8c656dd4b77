"""PixelCNN++ in plain PyTorch, as ports of the authors' code have it: what training ours is measured beside."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


def concat_elu(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, 2C, H, W)."""
    return F.elu(torch.cat([x, -x], dim=1))


def down_shift(x: Tensor) -> Tensor:
    """Row i gets row i - 1, row 0 zeros."""
    return F.pad(x[:, :, :-1], (0, 0, 1, 0))


def right_shift(x: Tensor) -> Tensor:
    """Column j gets column j - 1, column 0 zeros."""
    return F.pad(x[..., :-1], (1, 0))


class ShiftedConv2d(nn.Module):
    """A weight-normalised convolution that reads rows up to its own, and columns around it or up to it."""

    def __init__(
        self, inputs: int, outputs: int, size: tuple[int, int], *, right: bool, stride: int = 1
    ) -> None:
        super().__init__()
        rows, columns = size
        left = columns - 1 if right else columns // 2
        self.pad = nn.ZeroPad2d((left, columns - 1 - left, rows - 1, 0))
        self.conv = weight_norm(nn.Conv2d(inputs, outputs, size, stride=stride))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H / stride, W / stride)."""
        return self.conv(self.pad(x))


class ShiftedDeconv2d(nn.Module):
    """The transposed convolution that doubles an image, cropped to read rows up to its own."""

    def __init__(self, channels: int, size: tuple[int, int], *, right: bool) -> None:
        super().__init__()
        self.left = 0 if right else size[1] // 2
        self.conv = weight_norm(
            nn.ConvTranspose2d(channels, channels, size, stride=2, output_padding=1), dim=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, 2H, 2W)."""
        height, width = x.shape[2:]
        return self.conv(x)[:, :, : 2 * height, self.left : self.left + 2 * width]


class GatedResnet(nn.Module):
    """x + a ⊙ σ(b), (a, b) = conv(drop(concat_elu(conv(concat_elu x) + nin(concat_elu auxiliary))))."""

    def __init__(self, channels: int, auxiliary: int, *, right: bool, dropout: float) -> None:
        super().__init__()
        size = (2, 2) if right else (2, 3)
        self.first = ShiftedConv2d(2 * channels, channels, size, right=right)
        self.nin = weight_norm(nn.Conv2d(2 * auxiliary * channels, channels, 1)) if auxiliary else None
        self.dropout = nn.Dropout(dropout)
        self.second = ShiftedConv2d(2 * channels, 2 * channels, size, right=right)

    def forward(self, x: Tensor, auxiliary: Tensor | None = None) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        hidden = self.first(concat_elu(x))
        if self.nin is not None and auxiliary is not None:
            hidden = hidden + self.nin(concat_elu(auxiliary))
        a, b = self.second(self.dropout(concat_elu(hidden))).chunk(2, dim=1)
        return x + a * torch.sigmoid(b)


class Pair(nn.Module):
    """A block of both streams; on the way up with short cuts."""

    def __init__(self, channels: int, *, up: bool, dropout: float) -> None:
        super().__init__()
        self.u = GatedResnet(channels, int(up), right=False, dropout=dropout)
        self.ul = GatedResnet(channels, 1 + up, right=True, dropout=dropout)

    def forward(
        self, u: Tensor, ul: Tensor, skips: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) each."""
        if skips is None:
            u = self.u(u)
            return u, self.ul(ul, u)
        u = self.u(u, skips[0])
        return u, self.ul(ul, torch.cat([u, skips[1]], dim=1))


class PlusPort(nn.Module):
    """The network: `scales` resolutions of `depth` blocks down, and up again with short cuts."""

    def __init__(self, *, channels: int, depth: int, scales: int, components: int, dropout: float) -> None:
        super().__init__()
        c, halvings = channels, range(scales - 1)
        self.depth = depth
        self.first_u = ShiftedConv2d(4, c, (2, 3), right=False)
        self.first_above = ShiftedConv2d(4, c, (1, 3), right=False)
        self.first_left = ShiftedConv2d(4, c, (2, 1), right=True)
        self.down: Any = nn.ModuleList(
            nn.ModuleList(Pair(c, up=False, dropout=dropout) for _ in range(depth)) for _ in range(scales)
        )
        self.up: Any = nn.ModuleList(
            nn.ModuleList(Pair(c, up=True, dropout=dropout) for _ in range(depth + (i > 0)))
            for i in range(scales)
        )
        self.halve_u = nn.ModuleList(ShiftedConv2d(c, c, (2, 3), right=False, stride=2) for _ in halvings)
        self.halve_ul = nn.ModuleList(ShiftedConv2d(c, c, (2, 2), right=True, stride=2) for _ in halvings)
        self.double_u = nn.ModuleList(ShiftedDeconv2d(c, (2, 3), right=False) for _ in halvings)
        self.double_ul = nn.ModuleList(ShiftedDeconv2d(c, (2, 2), right=True) for _ in halvings)
        self.last = weight_norm(nn.Conv2d(c, 10 * components, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Colours (B, 3, H, W) in [-1, 1] → (B, 10·K, H, W)."""
        x = F.pad(x, (0, 0, 0, 0, 0, 1), value=1.0)
        u = down_shift(self.first_u(x))
        ul = down_shift(self.first_above(x)) + right_shift(self.first_left(x))
        trail = [(u, ul)]
        for i, blocks in enumerate(self.down):
            if i:
                u, ul = self.halve_u[i - 1](u), self.halve_ul[i - 1](ul)
                trail.append((u, ul))
            for block in blocks:
                u, ul = block(u, ul)
                trail.append((u, ul))
        u, ul = trail.pop()
        for i, blocks in enumerate(self.up):
            if i:
                u, ul = self.double_u[i - 1](u), self.double_ul[i - 1](ul)
            for block in blocks:
                u, ul = block(u, ul, trail.pop())
        return self.last(F.elu(ul))


def mixture_loss(x: Tensor, params: Tensor) -> Tensor:
    """Colours (B, 3, H, W) in [-1, 1], (B, 10·K, H, W) → nats (B,), as the authors' code computes them."""
    x, params = x.permute(0, 2, 3, 1), params.permute(0, 2, 3, 1)
    k = params.shape[-1] // 10
    logits, rest = params[..., :k], params[..., k:].unflatten(-1, (3, 3 * k))
    means, log_scales = rest[..., :k], rest[..., k : 2 * k].clamp(min=-7.0)
    coefficients = torch.tanh(rest[..., 2 * k :])
    values = x[..., None].expand(*x.shape, k)
    red = means[..., 0, :]
    green = means[..., 1, :] + coefficients[..., 0, :] * values[..., 0, :]
    blue = (
        means[..., 2, :]
        + coefficients[..., 1, :] * values[..., 0, :]
        + coefficients[..., 2, :] * values[..., 1, :]
    )
    centred = values - torch.stack([red, green, blue], dim=-2)
    inverse = torch.exp(-log_scales)
    plus, minus = inverse * (centred + 1 / 255), inverse * (centred - 1 / 255)
    delta = torch.sigmoid(plus) - torch.sigmoid(minus)
    log_first, log_last = plus - F.softplus(plus), -F.softplus(minus)
    middle = inverse * centred
    log_density = middle - log_scales - 2 * F.softplus(middle) - torch.log(torch.tensor(127.5))
    inner = torch.where(delta > 1e-5, torch.log(delta.clamp(min=1e-12)), log_density)
    inner = torch.where(values > 0.999, log_last, inner)
    terms = torch.where(values < -0.999, log_first, inner).sum(dim=-2) + torch.log_softmax(logits, dim=-1)
    return -torch.logsumexp(terms, dim=-1).sum(dim=(1, 2))
