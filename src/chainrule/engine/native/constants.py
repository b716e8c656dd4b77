"""Constants in the form in which the machine reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from torch import Tensor


class Weights:
    """Keeps what was made of constants: the programs of one model share it.

    Args:
        half: whether weights of float32 are rounded to bfloat16.
    """

    def __init__(self, half: bool = False) -> None:
        self.half = half
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
