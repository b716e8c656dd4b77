"""Convolutions from an image down to a code, and up again to features of every pixel."""

from __future__ import annotations

import math

from torch import Tensor, nn

SMALLEST = 4  # pixels: sides longer than this are halved


def halved(height: int, width: int, times: int | None = None) -> list[tuple[int, int]]:
    """The sizes of an image and of its halvings, rounded up; by default until its sides are at most 4.

    Example:
        >>> halved(28, 28)
        [(28, 28), (14, 14), (7, 7), (4, 4)]
    """
    sizes = [(height, width)]
    while max(sizes[-1]) > SMALLEST if times is None else len(sizes) <= times:
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def downward(colours: int, channels: int, halvings: int) -> list[nn.Module]:
    """(B, colours, H, W) → (B, channels · 2^halvings, ⌈H/2^halvings⌉, …): the channels double at each halving."""
    layers: list[nn.Module] = [nn.Conv2d(colours, channels, 3, padding=1), nn.ReLU()]
    for k in range(halvings):
        layers += [nn.Conv2d(channels << k, channels << (k + 1), 3, stride=2, padding=1), nn.ReLU()]
    return layers


def image_encoder(event_shape: tuple[int, ...], channels: int, outputs: int) -> nn.Sequential:
    """Convolutions that halve an image until its sides are at most 4, and a linear layer of all that is left.

    Args:
        event_shape: (C, H, W) of an image.
        channels: of the first convolution, doubled at each halving.
        outputs: numbers it ends in.
    """
    colours, *size = event_shape
    sizes = halved(*size)
    down = downward(colours, channels, len(sizes) - 1)
    features = (channels << (len(sizes) - 1)) * math.prod(sizes[-1])
    return nn.Sequential(*down, nn.Flatten(), nn.Linear(features, outputs))


def upward(channels: int, sizes: list[tuple[int, int]]) -> list[nn.Module]:
    """The way back of `downward`, through the sizes of `halved`: (B, channels · 2^k, …) → (B, channels, H, W)."""
    layers: list[nn.Module] = [nn.ReLU()]
    for k, size in reversed(list(enumerate(sizes[:-1]))):
        layers += [Doubled(channels << (k + 1), channels << k, size), nn.ReLU()]
    return layers


def image_decoder(numbers: int, channels: int, event_shape: tuple[int, ...]) -> nn.Sequential:
    """The mirror of `image_encoder`: (B, numbers) → features (B, channels, H, W) of every pixel."""
    _, *size = event_shape
    sizes = halved(*size)
    top = channels << (len(sizes) - 1)
    widen = nn.Linear(numbers, top * math.prod(sizes[-1]))
    return nn.Sequential(widen, nn.Unflatten(1, (top, *sizes[-1])), *upward(channels, sizes))


class Doubled(nn.Module):
    """A transposed convolution that doubles both sides, cut to a size that halved to them.

    Args:
        inputs, outputs: channels.
        size: (H, W) of what comes out.
    """

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, ⌈H/2⌉, ⌈W/2⌉) → (B, outputs, H, W)."""
        height, width = self.size
        return self.conv(x)[..., :height, :width]
