"""How many bits an item takes once an ordinary compressor has done its best."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import DomainError

# Pillow's options; each is lossless.
IMAGE_CODECS: dict[str, dict[str, Any]] = {
    "PNG": {"optimize": True},
    "WEBP": {"lossless": True, "quality": 100, "method": 4},
}


def complexity_bits(x: Tensor, domain: Domain) -> Tensor:
    """The size of each item in bits: by zlib, or of grey and colour images by PNG, WebP or zlib, whichever is smallest.

    Headers are counted; they are the same for all items of a codec.

    Args:
        x: (N, *event_shape).
        domain: theirs, of levels.

    Returns:
        (N,) float64.

    Raises:
        DomainError: for reals, which no such compressor takes.

    Example:
        >>> noise, flat = torch.randint(0, 256, (1, 1, 28, 28)), torch.zeros(1, 1, 28, 28, dtype=torch.int64)
        >>> bits = complexity_bits(torch.cat([noise, flat]), Domain.image(1, 28, 28))
        >>> bool(bits[0] > 28 * 28 * 8 > 10 * bits[1])
        True
    """
    if not domain.discrete:
        raise DomainError(f"complexity: expected levels, which can be compressed, got {domain}")
    kind = np.uint8 if domain.max_levels <= 256 else np.dtype("<i4")
    items = domain.check(x).cpu().numpy().astype(kind)
    picture = domain.layout == "image" and domain.event_shape[0] in (1, 3) and kind == np.uint8
    sizes = [min(_sizes(item, picture)) for item in items]
    return 8 * torch.tensor(sizes, dtype=torch.float64)


def _sizes(item: np.ndarray, picture: bool) -> list[int]:
    """Bytes by each codec that takes the item."""
    sizes = [len(zlib.compress(item.tobytes(), 9))]
    if picture:
        pixels = (
            np.ascontiguousarray(item.transpose(1, 2, 0)).squeeze(-1)
            if len(item) == 1
            else item.transpose(1, 2, 0)
        )
        image = Image.fromarray(pixels)
        sizes += [_size(image, codec, options) for codec, options in IMAGE_CODECS.items()]
    return sizes


def _size(image: Image.Image, codec: str, options: dict[str, Any]) -> int:
    buffer = io.BytesIO()
    image.save(buffer, format=codec, **options)
    return buffer.tell()
