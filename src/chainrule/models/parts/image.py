"""What nets of images have in common: their sites, codes and heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import DiscretisedLogistic, Head, Joint, default_head
from chainrule.layers import Encoding, Scalar

MOST_JOINT = 256  # values of a block in one table


class ImageParts(NamedTuple):
    """The parts of a net whose sites are the colours of pixels, one after the other, or whole blocks of pixels.

    Attributes:
        height, width: of an image, in blocks where sites are blocks.
        groups: colours that are sites of their own.
        code: of a site: its levels / (levels - 1).
        head: of a site.
        ordering: of the variables.
    """

    height: int
    width: int
    groups: int
    code: Encoding
    head: Head
    ordering: str | Sequence[int] = "natural"


def image_parts(domain: Domain, block: int = 1) -> ImageParts:
    """The parts of a net of images of levels.

    Args:
        domain: of the images.
        block: n, of sites that are blocks of n × n pixels with all their colours, generated row by row; in a block,
            pixel by pixel. One table holds the probabilities of all its values, see `Joint`; where these are over 256,
            a mixture of logistics does, see `DiscretisedLogistic`.

    Raises:
        DomainError: if the domain is not one of images of levels, or not of such blocks.
    """
    if domain.layout != "image" or not domain.discrete:
        raise DomainError(f"expected images of levels such as image:1x28x28:256, got {domain}")
    colours, height, width = domain.event_shape
    code = Scalar(max(domain.max_levels - 1, 1))
    if block == 1:
        return ImageParts(height, width, colours, code, default_head(domain))
    if height % block or width % block:
        raise DomainError(f"block: expected a number that divides {height} and {width}, got {block}")
    variables = block**2 * colours
    places = torch.arange(domain.size).view(colours, height // block, block, width // block, block)
    ordering = places.permute(1, 3, 2, 4, 0).flatten().tolist()
    small = domain.max_levels**variables <= MOST_JOINT
    head = (Joint if small else DiscretisedLogistic)(domain.max_levels, variables)
    return ImageParts(height // block, width // block, 1, code, head, ordering)


def check_sizes(**sizes: int) -> None:
    """Refuse kernel sizes that are even or under 3, and other sizes that are not positive."""
    for name, size in sizes.items():
        if name.endswith("_size") and (size < 3 or size % 2 == 0):
            raise ChainruleError(f"{name}: expected an odd number ≥ 3, got {size}")
        if size < 1:
            raise ChainruleError(f"{name}: expected a number ≥ 1, got {size}")


def in_groups(channels: int, groups: int) -> int:
    """The channels, rounded up to a multiple of the groups."""
    return -(-channels // groups) * groups


def image_condition(
    domain: Domain,
    classes: int | list[int] | None,
    embedding: int | None,
    maps: int | None,
    block: int = 1,
) -> dict[str, Any]:
    """The arguments of a `Condition` of images.

    Args:
        domain: of the images.
        classes: number of classes, or of those of each label.
        embedding: size of a vector.
        maps: numbers for each pixel.
        block: of the sites; a map is one of pixels.

    Raises:
        ChainruleError: on maps beside blocks.
    """
    if maps is not None and block > 1:
        raise ChainruleError(
            f"maps: expected none where sites are blocks of pixels, got {maps} with block {block}"
        )
    _, height, width = domain.event_shape
    return {
        "classes": classes,
        "embedding": embedding,
        "maps": None if maps is None else (maps, height, width),
    }
