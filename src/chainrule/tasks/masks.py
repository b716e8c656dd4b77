"""Which part of an item is known when the rest is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from chainrule.data.raw import reading
from chainrule.data.readers.opened import opened
from chainrule.domain import Domain
from chainrule.errors import ChainruleError

# Of images: the axis that is cut, and whether the last half of it is kept.
HALVES = {"top": (1, False), "left": (2, False), "bottom": (1, True), "right": (2, True)}


def known_mask(domain: Domain, keep: str = "top") -> Tensor:
    """Booleans of the domain's event shape, True = keep.

    Args:
        domain: whose items are completed.
        keep: "top", "bottom", "left" or "right" half of an image, the first fraction in [0, 1) of the variables,
            or the path of a mask: an image or .npy whose non-zero values are kept.

    Raises:
        ChainruleError: if `keep` is none of these or does not fit.

    Example:
        >>> known_mask(Domain.binary(4), "0.5")
        tensor([ True,  True, False, False])
    """
    mask = torch.zeros(domain.event_shape, dtype=torch.bool)
    if keep in HALVES:
        if domain.layout != "image":
            raise ChainruleError(
                f"keep: {keep!r} is for images, expected a fraction such as 0.5 for {domain}"
            )
        axis, last = HALVES[keep]
        size = domain.event_shape[axis]
        mask.narrow(axis, size - size // 2 if last else 0, size // 2).fill_(True)
        return mask
    try:
        fraction = float(keep)
    except ValueError:
        return _mask_file(domain, keep)
    if not 0 <= fraction < 1:
        raise ChainruleError(f"keep: expected a fraction in [0, 1), got {keep}")
    if domain.layout == "image":  # whole rows of pixels, all colours
        channels, height, width = domain.event_shape
        pixels = torch.arange(height * width) < round(fraction * height * width)
        return pixels.reshape(1, height, width).expand(channels, -1, -1).clone()
    mask.view(-1)[: round(fraction * domain.steps) * domain.width] = True  # whole steps
    return mask


def _mask_file(domain: Domain, keep: str) -> Tensor:
    path = Path(keep)
    if not path.is_file():
        raise ChainruleError(
            f"keep: expected top, left, bottom, right, a fraction, or the file of a mask; got {keep!r}"
        )
    where = f"keep: {path}"
    if path.suffix == ".npy":
        with reading(where):
            array = np.load(path, allow_pickle=False)
    else:
        with opened(where, path) as image:
            array = np.asarray(image.convert("L"))
    if array.dtype.kind not in "buif":
        raise ChainruleError(f"keep: {path}: expected numbers or booleans, got {array.dtype}")
    mask = torch.from_numpy(np.ascontiguousarray(array) != 0)
    if mask.shape != domain.event_shape and domain.layout == "image" and mask.shape == domain.event_shape[1:]:
        mask = mask.expand(domain.event_shape)
    if mask.shape != domain.event_shape:
        raise ChainruleError(
            f"keep: {path}: expected a mask of {domain.event_shape}, got {tuple(mask.shape)}"
        )
    return mask
