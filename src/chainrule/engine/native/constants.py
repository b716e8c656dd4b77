"""Constants in the form in which the machine reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from torch import Tensor


class Weights:
    """Keeps what was made of constants: the programs of one model share it.

    Args:
        rounding: of weights of float32: None, "bf16" or "int8".
    """

    def __init__(self, rounding: str | None = None) -> None:
        self.rounding = rounding
        self._kept: dict[Any, Tensor] = {}

    def get(self, key: tuple[Any, ...], tensor: Tensor, make: Callable[[], Tensor]) -> Tensor:
        """`make()`, unless there is one of this tensor already.

        Args:
            key: what is made of the tensor.
            tensor: a view; one of equal numbers counts as the same.
            make: makes it.
        """
        numbers = tensor.contiguous()
        digest = hashlib.blake2b(numbers.numpy().tobytes()).digest()
        key = (*key, tuple(numbers.shape), numbers.dtype, digest)
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]
