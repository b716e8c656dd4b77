"""What training a gated PixelCNN costs, beside its convolutions as they are commonly written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.bench.timing import time_interleaved
from chainrule.domain import Domain
from chainrule.models import create_model

SIDE, CHANNELS, DEPTH = 28, 64, 6
NAMES = {
    "bf16": "chainrule, bf16 autocast",
    "float32": "chainrule, float32",
    "masked": "masked kernels, float32",
}


class MaskedKernel(nn.Conv2d):
    """A full n×n convolution whose weights are multiplied by a mask at every pass."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], mask: Tensor) -> None:
        super().__init__(inputs, outputs, size, padding=(size[0] // 2, size[1] // 2))
        self.register_buffer("mask", mask.expand(1, 1, *size).clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class MaskedGatedPixelCNN(nn.Module):
    """The same net as published code has it: n×n vertical kernels, half of them masked, 1×n horizontal ones."""

    def __init__(self) -> None:
        super().__init__()
        wide = 2 * CHANNELS
        vertical, along, links, outs = [], [], [], []
        for i in range(DEPTH + 1):
            n, inputs = (7, 1) if i == 0 else (3, CHANNELS)
            above = torch.ones(n, n)
            above[n // 2 + (i > 0) :] = 0
            left = torch.ones(1, n)
            left[:, n // 2 + (i > 0) :] = 0
            vertical.append(MaskedKernel(inputs, wide, (n, n), above))
            along.append(MaskedKernel(inputs, wide, (1, n), left))
            links.append(nn.Conv2d(wide, wide, 1))
            outs.append(nn.Conv2d(CHANNELS, CHANNELS, 1))
        self.vertical, self.along = nn.ModuleList(vertical), nn.ModuleList(along)
        self.links, self.outs = nn.ModuleList(links), nn.ModuleList(outs)
        self.last = nn.Sequential(
            nn.ReLU(), nn.Conv2d(CHANNELS, CHANNELS, 1), nn.ReLU(), nn.Conv2d(CHANNELS, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Bits (B, 1, H, W) as floats → logits (B, 1, H, W)."""
        v = h = x
        parts: Any = zip(self.vertical, self.along, self.links, self.outs, strict=True)
        for i, (vertical, along, link, out) in enumerate(parts):
            z = vertical(v)
            below = F.pad(z[:, :, :-1], (0, 0, 1, 0)) if i else z
            y = out(_gate(along(h) + link(below)))
            v, h = _gate(z), h + y if i else y
        return self.last(h)


def _gate(z: Tensor) -> Tensor:
    f, g = z.chunk(2, dim=1)
    return torch.tanh(f) * torch.sigmoid(g)


def measure(batch: int, repeats: int) -> dict:
    """Forward, backward and AdamW on random bits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        domain = Domain.image(1, SIDE, SIDE, levels=2)
        ours = create_model("gated-pixelcnn", domain, channels=CHANNELS, depth=DEPTH)
        plain = MaskedGatedPixelCNN()
    x = torch.randint(2, (batch, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(0))

    def masked() -> Tensor:
        return F.binary_cross_entropy_with_logits(plain(x.float()), x.float(), reduction="sum") / batch

    def likelihood() -> Tensor:
        return -ours.log_prob(x).mean()

    def in_bf16() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return likelihood()

    models: tuple[nn.Module, ...] = (ours, plain)
    optimizers = {model: torch.optim.AdamW(model.parameters(), lr=1e-4) for model in models}

    def step(model: nn.Module, loss: Callable[[], Tensor]) -> None:
        optimizers[model].zero_grad()
        loss().backward()
        optimizers[model].step()

    ways = {
        "bf16": partial(step, ours, in_bf16),
        "float32": partial(step, ours, likelihood),
        "masked": partial(step, plain, masked),
    }
    times = time_interleaved(ways, repeats)
    return {
        "about": f"Training a gated PixelCNN, {DEPTH} blocks of {CHANNELS} channels, {SIDE}×{SIDE} bits",
        "seconds": times.medians(),
        "images_per_second": {name: batch / seconds for name, seconds in times.medians().items()},
        "speedup": {name: times.ratio("masked", name) for name in ways},
        "parameters": {
            "chainrule": sum(p.numel() for p in ours.parameters()),
            "masked": sum(p.numel() for p in plain.parameters()),
        },
    }


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a way."""
    rows = [
        [NAMES[name], f"{rate:.0f}", f"{record['speedup'][name]:.1f}"]
        for name, rate in record["images_per_second"].items()
    ]
    return ["gated PixelCNN training", "images/s", "× masked kernels"], rows
