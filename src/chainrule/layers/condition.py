"""What an item is conditioned on: labels, an embedding vector or a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.devices import may_look
from chainrule.domain import INTEGERS
from chainrule.errors import ChainruleError, ConditionError


class Condition(nn.Module):
    """A condition as features, (B, C) that are added at every position, or (B, C, H, W) or (B, C, T) each at its own.

    Args:
        channels: C.
        classes: number of classes N; `cond` is integers (B,) in [0, N), or floats (B, N), weights of classes to
            interpolate between them. Or a list of k such numbers, for items of k labels, whose features add up:
            `cond` is integers (B, k), or weights (B, ΣN), those of one label after the other.
        embedding: size E of a vector; `cond` is floats (B, E).
        maps: (M, H, W), M numbers for each pixel; `cond` is floats (B, M, H, W). Or (M, T), for each place in time.

    With none of them, the module is the absent condition: it takes None and gives None.
    """

    features: Any
    first_rows: Tensor

    def __init__(
        self,
        channels: int,
        *,
        classes: int | Sequence[int] | None = None,
        embedding: int | None = None,
        maps: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        if sum(kind is not None for kind in (classes, embedding, maps)) > 1:
            raise ChainruleError("classes, embedding and maps: expected at most one of them, got more")
        self.classes, self.embedding, self.maps = _counts(classes), embedding, maps
        if isinstance(self.classes, tuple):
            # One table, in which each label has rows of its own.
            self.features = nn.Embedding(sum(self.classes), channels)
            counts = torch.tensor(self.classes)
            self.register_buffer("first_rows", counts.cumsum(0) - counts, persistent=False)
        elif self.classes is not None:
            self.features = nn.Embedding(self.classes, channels)
        elif embedding is not None:
            self.features = nn.Linear(embedding, channels)
        elif maps is not None:
            self.features = (nn.Conv1d if len(maps) == 2 else nn.Conv2d)(maps[0], channels, 1)

    @property
    def expected(self) -> str | None:
        """In words, what `cond` must be; None if there is no condition."""
        if isinstance(self.classes, tuple):
            return f"integer labels (B, {len(self.classes)}) in {self.ranges}"
        if self.classes is not None:
            return f"integer labels (B,) in {self.ranges}"
        shape = self.item_shape
        return f"floats (B, {', '.join(map(str, shape))})" if shape else None

    @property
    def counts(self) -> tuple[int, ...]:
        """The classes of each label; () if there is none."""
        return self.classes if isinstance(self.classes, tuple) else (self.classes,) if self.classes else ()

    @property
    def ranges(self) -> str:
        """In words, where the labels of an item lie."""
        return " and ".join(f"[0, {count})" for count in self.counts)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape of one item's condition: (k,) for several labels; () for one, and for the absent condition."""
        if isinstance(self.classes, tuple):
            return (len(self.classes),)
        return self.maps or (() if self.embedding is None else (self.embedding,))

    def forward(self, cond: Tensor | None, batch: int) -> Tensor | None:
        """(B,), (B, k) or (B, E) → (B, C); (B, M, …) → (B, C, …); None → None.

        Raises:
            ConditionError: if a condition is missing, or has a wrong shape, type or value.
        """
        if self.expected is None:
            return None
        self._check(cond, batch)
        if self.classes is not None and cond is not None and cond.is_floating_point():
            return cond.to(self.features.weight.dtype) @ self.features.weight
        if isinstance(self.classes, tuple) and cond is not None:
            return self.features(cond + self.first_rows).sum(1)
        return self.features(cond)

    def reordered(self, channels: Tensor) -> dict[str, Tensor]:
        """The parameters, by name, under which channel c is channel `channels[c]`."""
        if self.classes is not None:
            return {"features.weight": self.features.weight[:, channels]}
        return {
            "features.weight": self.features.weight[channels],
            "features.bias": self.features.bias[channels],
        }

    def _check(self, cond: Tensor | None, batch: int) -> None:
        if cond is None:
            raise ConditionError(f"cond: the model is conditional, expected {self.expected}, got None")
        if self.classes is not None and cond.is_floating_point() and cond.shape == (batch, sum(self.counts)):
            return
        shape = (batch, *self.item_shape)
        right_type = cond.dtype in INTEGERS if self.classes is not None else cond.is_floating_point()
        if tuple(cond.shape) != shape or not right_type:
            raise ConditionError(
                f"cond: expected {self.expected} with B = {batch}, got {cond.dtype} {tuple(cond.shape)}"
            )
        if self.classes is not None and may_look(cond.device):
            rows = cond if self.item_shape else cond[:, None]
            bad = rows[((rows < 0) | (rows >= torch.tensor(self.counts, device=cond.device))).any(1)]
            if len(bad):
                got = bad[0].tolist() if self.item_shape else bad[0].item()
                raise ConditionError(f"cond: expected {self.expected}, got {got}")


def _counts(classes: int | Sequence[int] | None) -> int | tuple[int, ...] | None:
    """A list of one number is that number.

    Raises:
        ChainruleError: if one is not a number of classes.
    """
    if classes is None or isinstance(classes, int):
        return classes
    counts = tuple(classes)
    if not counts or any(type(count) is not int or count < 1 for count in counts):
        raise ChainruleError(f"classes: expected integers ≥ 1, one for each label, got {list(counts)}")
    return counts if len(counts) > 1 else counts[0]
