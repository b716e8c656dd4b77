"""Arrays of float64 with the operations of `formulas`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

SIGNS = {
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
BIAS, PLACES = 1023, 52  # of the exponent, and of the fraction, of a float64
FRACTION = (1 << PLACES) - 1


class Array:
    """`formulas.Numbers` by NumPy: each operation is one of IEEE 754, element by element."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __add__(self, other: Any) -> Array:
        return Array(self.value + _of(other))

    def __sub__(self, other: Any) -> Array:
        return Array(self.value - _of(other))

    def __mul__(self, other: Any) -> Array:
        return Array(self.value * _of(other))

    def __truediv__(self, other: Any) -> Array:
        return Array(self.value / _of(other))

    def __neg__(self) -> Array:
        return Array(-self.value)

    def like(self, number: float) -> Array:
        """One number, which is repeated where it meets an array."""
        return Array(np.float64(number))

    def compare(self, sign: str, other: Any) -> Where:
        """Where it holds."""
        return Where(SIGNS[sign](self.value, _of(other)))

    def floor(self) -> Array:
        """⌊x⌋."""
        return Array(np.floor(self.value))

    def sqrt(self) -> Array:
        """√x."""
        return Array(np.sqrt(self.value))

    def size(self) -> Array:
        """|x|."""
        return Array(np.abs(self.value))

    def power_of_two(self) -> Array:
        """2^x."""
        with np.errstate(invalid="ignore"):  # of a NaN
            bits = np.asarray(self.value).astype(np.int64)
        return Array(((bits + BIAS) << PLACES).view(np.float64))

    def exponent(self) -> Array:
        """⌊log₂ x⌋."""
        return Array(((_bits(self.value) >> PLACES) - BIAS).astype(np.float64))

    def fraction(self) -> Array:
        """x / 2^⌊log₂ x⌋."""
        return Array(((_bits(self.value) & FRACTION) | (BIAS << PLACES)).view(np.float64))


class Where:
    """Where a comparison holds."""

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def choose(self, a: Array, b: Array) -> Array:
        """a there, else b."""
        return Array(np.where(self.mask, a.value, b.value))


def _of(other: Any) -> Any:
    return other.value if isinstance(other, Array) else other


def _bits(value: Any) -> Any:
    return np.asarray(value, np.float64).view(np.int64)
