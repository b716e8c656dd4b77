"""What is drawn in parts: sequences step by step, and many items some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.domain import Domain


@dataclass(frozen=True, eq=False)
class Drawn:
    """Sequences under way: nothing is drawn before it is asked for.

    Attributes:
        domain: of the whole sequences.
        n: number of sequences.
        parts: one after another, (n, steps) or (n, steps, K); -1 after the end of a sequence that is shorter.
        known: steps of the prompt, which are there and not drawn.
    """

    domain: Domain
    n: int
    parts: Iterator[Tensor]
    known: int = 0

    def whole(self) -> Tensor:
        """Draw all that is left: (n, T) or (n, T, K)."""
        return torch.cat(list(self.parts), dim=1)


@dataclass(frozen=True, eq=False)
class Parts:
    """Items under way: nothing is drawn before it is asked for.

    Attributes:
        n: number of items.
        parts: one after another, (m, *event_shape), at least one.
    """

    n: int
    parts: Iterator[Tensor]

    def whole(self) -> Tensor:
        """Draw all that is left: (n, *event_shape)."""
        return torch.cat(list(self.parts))
