"""What the whole item is conditioned on: a class label, an embedding vector or a map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from chainrule.domain import INTEGERS
from chainrule.errors import ChainruleError, ConditionError


class Condition(nn.Module):
    """A condition as features, (B, C) that are added at every position, or (B, C, H, W) or (B, C, T) each at its own.

    Args:
        channels: C.
        classes: number of labels; `cond` is integers (B,) in [0, classes), or floats (B, classes), weights of labels
            to interpolate between them.
        embedding: size E of a vector; `cond` is floats (B, E).
        maps: (M, H, W), M numbers for each pixel; `cond` is floats (B, M, H, W). Or (M, T), for each place in time.

    With none of them, the module is the absent condition: it takes None and gives None.
    """

    features: Any

    def __init__(
        self,
        channels: int,
        *,
        classes: int | None = None,
        embedding: int | None = None,
        maps: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        if sum(kind is not None for kind in (classes, embedding, maps)) > 1:
            raise ChainruleError("classes, embedding and maps: expected at most one of them, got more")
        self.classes, self.embedding, self.maps = classes, embedding, maps
        if classes is not None:
            self.features = nn.Embedding(classes, channels)
        elif embedding is not None:
            self.features = nn.Linear(embedding, channels)
        elif maps is not None:
            self.features = (nn.Conv1d if len(maps) == 2 else nn.Conv2d)(maps[0], channels, 1)

    @property
    def expected(self) -> str | None:
        """In words, what `cond` must be; None if there is no condition."""
        if self.classes is not None:
            return f"integer labels (B,) in [0, {self.classes})"
        shape = self.item_shape
        return f"floats (B, {', '.join(map(str, shape))})" if shape else None

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Of the condition of one item; () for a label, and for the absent condition."""
        return self.maps or (() if self.embedding is None else (self.embedding,))

    def forward(self, cond: Tensor | None, batch: int) -> Tensor | None:
        """(B,) or (B, E) → (B, C); (B, M, …) → (B, C, …); None → None.

        Raises:
            ConditionError: if a condition is missing, or has a wrong shape, type or value.
        """
        if self.expected is None:
            return None
        self._check(cond, batch)
        if self.classes is not None and cond is not None and cond.is_floating_point():
            return cond.to(self.features.weight.dtype) @ self.features.weight
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
        if self.classes is not None and cond.is_floating_point() and cond.shape == (batch, self.classes):
            return
        shape = (batch, *self.item_shape)
        right_type = cond.dtype in INTEGERS if self.classes is not None else cond.is_floating_point()
        if tuple(cond.shape) != shape or not right_type:
            raise ConditionError(
                f"cond: expected {self.expected} with B = {batch}, got {cond.dtype} {tuple(cond.shape)}"
            )
        if self.classes is not None and not cond.is_meta and not torch.compiler.is_compiling():
            bad = cond[(cond < 0) | (cond >= self.classes)]
            if len(bad):
                raise ConditionError(f"cond: expected {self.expected}, got {bad[0].item()}")
