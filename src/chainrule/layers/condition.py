"""What the whole item is conditioned on: a class label or an embedding vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from chainrule.domain import INTEGERS
from chainrule.errors import ChainruleError, ConditionError


class Condition(nn.Module):
    """A condition as features (B, C) that are added at every position.

    Args:
        channels: C.
        classes: number of labels; `cond` is integers (B,) in [0, classes).
        embedding: size E of a vector; `cond` is floats (B, E).

    With neither, the module is the absent condition: it takes None and gives None.
    """

    features: Any

    def __init__(self, channels: int, *, classes: int | None = None, embedding: int | None = None) -> None:
        super().__init__()
        if classes is not None and embedding is not None:
            raise ChainruleError("classes and embedding: expected at most one of the two, got both")
        self.classes, self.embedding = classes, embedding
        if classes is not None:
            self.features = nn.Embedding(classes, channels)
        elif embedding is not None:
            self.features = nn.Linear(embedding, channels)

    @property
    def expected(self) -> str | None:
        """In words, what `cond` must be; None if there is no condition."""
        if self.classes is not None:
            return f"integer labels (B,) in [0, {self.classes})"
        return None if self.embedding is None else f"floats (B, {self.embedding})"

    def forward(self, cond: Tensor | None, batch: int) -> Tensor | None:
        """(B,) or (B, E) → (B, C); None → None.

        Raises:
            ConditionError: if a condition is missing, or has a wrong shape, type or value.
        """
        if self.expected is None:
            return None
        self._check(cond, batch)
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
        shape = (batch,) if self.classes is not None else (batch, self.embedding)
        right_type = cond.dtype in INTEGERS if self.classes is not None else cond.is_floating_point()
        if tuple(cond.shape) != shape or not right_type:
            raise ConditionError(
                f"cond: expected {self.expected} with B = {batch}, got {cond.dtype} {tuple(cond.shape)}"
            )
        if self.classes is not None and not cond.is_meta and not torch.compiler.is_compiling():
            bad = cond[(cond < 0) | (cond >= self.classes)]
            if len(bad):
                raise ConditionError(f"cond: expected {self.expected}, got {bad[0].item()}")
