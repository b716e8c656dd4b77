"""How the values of a domain enter a net."""

from __future__ import annotations

from torch import nn

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.layers import OneHot, Scalar

ENCODINGS = ("number", "one-hot")


def encoder(domain: Domain, encoding: str | None) -> tuple[nn.Module, int]:
    """The encoder of a site of one variable, and its channels.

    Args:
        domain: a discrete one.
        encoding: "number" (level / (levels - 1)) or "one-hot" (with the number beside it); None takes numbers for
            bits and for images, whose levels are shades, and one-hot otherwise.
    """
    levels = domain.max_levels
    if encoding is None:
        encoding = "number" if domain.layout == "image" or levels == 2 else "one-hot"
    if encoding == "number":
        return Scalar(max(levels - 1, 1)), 1
    if encoding == "one-hot":
        return OneHot(levels), levels + 1
    raise ChainruleError(f"encoding: expected one of {', '.join(ENCODINGS)}, got {encoding!r}")
