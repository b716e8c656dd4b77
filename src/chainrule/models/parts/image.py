"""What nets of images have in common: their sites, codes and heads."""

from __future__ import annotations

from typing import Any, NamedTuple

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Head, default_head
from chainrule.layers import Encoding, Scalar


class ImageParts(NamedTuple):
    """The parts of a net whose sites are the colours of pixels, one after the other.

    Attributes:
        height, width: of an image.
        groups: colours.
        code: of a colour: level / (levels - 1).
        head: of a colour.
    """

    height: int
    width: int
    groups: int
    code: Encoding
    head: Head


def image_parts(domain: Domain) -> ImageParts:
    """The parts of a net of images of levels.

    Raises:
        DomainError: if the domain is not one of images of levels.
    """
    if domain.layout != "image" or not domain.discrete:
        raise DomainError(f"expected images of levels such as image:1x28x28:256, got {domain}")
    colours, height, width = domain.event_shape
    return ImageParts(height, width, colours, Scalar(max(domain.max_levels - 1, 1)), default_head(domain))


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
    domain: Domain, classes: int | list[int] | None, embedding: int | None, maps: int | None
) -> dict[str, Any]:
    """The arguments of a `Condition` of images.

    Args:
        domain: of the images.
        classes: number of classes, or of those of each label.
        embedding: size of a vector.
        maps: numbers for each pixel.
    """
    _, height, width = domain.event_shape
    return {
        "classes": classes,
        "embedding": embedding,
        "maps": None if maps is None else (maps, height, width),
    }
