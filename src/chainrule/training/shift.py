"""Training items moved by a few places: more of them, where there are few."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import DomainError


def shifted(x: Tensor, domain: Domain, most: int, generator: torch.Generator | None = None) -> Tensor:
    """Images moved up or down and left or right; piano rolls moved up or down the keys, which transposes them.

    Each item is moved by its own number of places, uniform on -`most` … `most`; at the edge it enters from, the edge is
    repeated.

    Args:
        x: (B, *event_shape).
        domain: theirs.
        most: places.
        generator: where the randomness comes from.

    Raises:
        DomainError: if items are neither images nor sequences of several variables a step.
    """
    check_movable(domain)
    for axis in range(2, x.dim()) if domain.layout == "image" else [2]:
        size = x.shape[axis]
        moves = torch.randint(-most, most + 1, (len(x), 1), generator=generator, device=x.device)
        places = (torch.arange(size, device=x.device) - moves).clamp(0, size - 1)
        x = x.gather(
            axis, places.view(len(x), *(size if a == axis else 1 for a in range(1, x.dim()))).expand_as(x)
        )
    return x


def check_movable(domain: Domain) -> None:
    """Refuse what has no axis along which an item is still the same kind of item when it is moved.

    Raises:
        DomainError: saying what was expected.
    """
    if domain.layout != "image" and (domain.layout != "sequence" or len(domain.event_shape) != 2):
        raise DomainError(f"shift: expected images, or sequences of several variables a step, got {domain}")
