"""Grids of items, and pictures within a page."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from PIL import Image
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import ChainruleError

PAPER, LINE = 255, 200  # shades of the background and of a separating line
# Pixels: smaller items, and rolls that stand by themselves, are enlarged to about this.
SMALLEST, ROLL = 48, 480


def as_pixels(x: Tensor, domain: Domain) -> np.ndarray:
    """Items of an image domain as (N, H, W, C) uint8, black for level 0, what is transparent on white; others
    as one row of shades each.

    Sequences of several variables a step are rolls, (N, K, T, 1): time to the right, the last variable on top. Steps
    after the end of an item are as light as the gaps between items.

    Raises:
        ChainruleError: if the domain is real-valued.
    """
    if not domain.discrete:
        raise ChainruleError(f"a picture needs levels to shade, {domain} is real-valued")
    shades = x.cpu().double() / max(domain.max_levels - 1, 1) * 255
    pixels = shades.where(x.cpu() >= 0, LINE).round().numpy().astype(np.uint8)
    if is_roll(domain):
        return pixels.transpose(0, 2, 1)[:, ::-1, :, None]
    if domain.layout != "image":
        return pixels.reshape(len(x), 1, domain.size, 1)
    pixels = pixels.transpose(0, 2, 3, 1)
    channels = pixels.shape[-1]
    if channels in (2, 4):  # the last is opacity
        opacity = pixels[..., -1:] / 255
        return np.rint(pixels[..., :-1] * opacity + PAPER * (1 - opacity)).astype(np.uint8)
    return pixels if channels in (1, 3) else pixels.mean(-1, keepdims=True).astype(np.uint8)


def is_roll(domain: Domain) -> bool:
    """Whether items are drawn with time to the right, the variables of a step above one another."""
    return domain.layout == "sequence" and domain.width > 1


def image_grid(x: Tensor, domain: Domain, *, columns: int | None = None) -> Image.Image:
    """Items (N, *event_shape) in a grid, row by row, small ones enlarged without smoothing.

    Args:
        x: the items.
        domain: theirs.
        columns: how many; about a square by default.
    """
    return as_image(tiled(as_pixels(x, domain), domain, columns))


def tiled(pixels: np.ndarray, domain: Domain, columns: int | None = None) -> np.ndarray:
    """Pictures (N, H, W, C) of items of a domain as the canvas of a grid, (height, width, C)."""
    if domain.layout != "image":
        columns = 1
    enlarged = ROLL if is_roll(domain) else SMALLEST
    return _tile(pixels, columns or max(1, math.ceil(math.sqrt(len(pixels)))), enlarged)


def as_image(canvas: np.ndarray) -> Image.Image:
    """A canvas (height, width, C) as a picture, grey where C is 1."""
    return Image.fromarray(canvas[..., 0] if canvas.shape[-1] == 1 else canvas)


def completion_grid(x: Tensor, known: Tensor, drawn: Tensor, domain: Domain) -> Image.Image:
    """One row per item: the original, what was kept (the rest in mid-grey), and the completions.

    Args:
        x: (B, *event_shape) originals.
        known: (*event_shape) booleans, True = kept.
        drawn: (B, n, *event_shape).
        domain: theirs.
    """
    n = drawn.shape[1]
    originals, completed = as_pixels(x, domain), as_pixels(drawn.flatten(0, 1), domain)
    if domain.layout == "image" and domain.event_shape[0] in (2, 4):
        mask = known.any(0).numpy()[None, :, :, None]  # a pixel is known with its opacity
    else:
        mask = as_pixels(known[None].long() * (domain.max_levels - 1), domain) > 0
    kept = np.where(mask, originals, 128).astype(np.uint8)
    rows = completed.reshape(len(x), n, *completed.shape[1:])
    tiles = np.concatenate([originals[:, None], kept[:, None], rows], axis=1)
    return as_image(_tile(tiles.reshape(-1, *tiles.shape[2:]), n + 2))


def as_source(content: Image.Image | bytes, kind: str = "image/png") -> str:
    """What a page shows without another file: a picture, or the bytes of a file of some media type."""
    if isinstance(content, Image.Image):
        buffer = io.BytesIO()
        content.save(buffer, format="PNG")
        content = buffer.getvalue()
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _tile(pixels: np.ndarray, columns: int, enlarged: int = SMALLEST) -> np.ndarray:
    count, height, width, channels = pixels.shape
    zoom = max(1, round(enlarged / max(height, width)))
    if height == 1:  # rows of shades, not images
        zoom = max(1, min(12, 800 // width))
    pixels = pixels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    height, width, gap = height * zoom, width * zoom, 2
    rows = math.ceil(count / columns)
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, channels)
    canvas = np.full(shape, LINE, dtype=np.uint8)
    for i, tile in enumerate(pixels):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = tile
    for i in range(count, rows * columns):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = PAPER
    return canvas
