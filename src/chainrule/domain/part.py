"""The values that a condition leaves to a variable: a few of them, or an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from chainrule.errors import ChainruleError


@dataclass(frozen=True)
class Part:
    """Some values of a variable.

    Attributes:
        values: the values themselves; None for an interval.
        lowest, highest: ends of the interval.
        above, below: whether the lower, the upper end is left out.

    Raises:
        ChainruleError: on an end that is not a number.

    Example:
        >>> str(between(40, None) & between(None, 65, below=True))
        '40 … 65 (excluded)'
    """

    values: tuple[Any, ...] | None = None
    lowest: float = -math.inf
    highest: float = math.inf
    above: bool = False
    below: bool = False

    def __post_init__(self) -> None:
        if math.isnan(self.lowest) or math.isnan(self.highest):
            raise ChainruleError("given: expected numbers as ends of a range, got nan")

    def __and__(self, other: Part) -> Part:
        """The values of both."""
        if self.values is None and other.values is not None:
            return other & self
        if self.values is not None:
            return replace(self, values=tuple(value for value in self.values if other.holds(value)))
        lowest, highest = max(self.lowest, other.lowest), min(self.highest, other.highest)
        return Part(
            lowest=lowest,
            highest=highest,
            above=any(part.above for part in (self, other) if part.lowest == lowest),
            below=any(part.below for part in (self, other) if part.highest == highest),
        )

    def holds(self, value: Any) -> bool:
        """Whether it has this value."""
        if self.values is not None:
            return value in self.values
        low = value > self.lowest if self.above else value >= self.lowest
        return low and (value < self.highest if self.below else value <= self.highest)

    @property
    def empty(self) -> bool:
        """Whether it has no value at all."""
        if self.values is not None:
            return not self.values
        return self.lowest > self.highest or (
            self.lowest == self.highest and (self.above or self.below or math.isinf(self.lowest))
        )

    def on_grid(self, step: float) -> Part:
        """The same multiples of `step`, in an interval that has both its ends."""
        # 0.3 is a multiple of 0.1, though 0.3 / 0.1 is 2.9999999999999996.
        low, high = (_near_whole(end / step) for end in (self.lowest, self.highest))
        if math.isfinite(low):
            low = math.floor(low) + 1 if self.above else math.ceil(low)
        if math.isfinite(high):
            high = math.ceil(high) - 1 if self.below else math.floor(high)
        parts = 1 / step  # 301 / 100 is 3.01 as it is written, 301 * 0.01 is not
        if math.isclose(parts, round(parts), rel_tol=1e-9):
            return Part(lowest=low / round(parts), highest=high / round(parts))
        return Part(lowest=low * step, highest=high * step)

    def clamp(self, x: Tensor) -> Tensor:
        """The nearest of its values to each of x (N,) float64, which rounding may have moved out of it; NaN stays."""
        if self.values is not None:
            values = torch.tensor(self.values, dtype=x.dtype, device=x.device)
            nearest = values[(x[:, None] - values).abs().argmin(1)]
            return torch.where(x.isnan(), x, nearest)
        low = math.nextafter(self.lowest, math.inf) if self.above else self.lowest
        high = math.nextafter(self.highest, -math.inf) if self.below else self.highest
        return x.clamp(low, high)

    def __str__(self) -> str:
        if self.values is not None:
            return ", ".join(map(str, self.values))
        ends = (
            f"{self.lowest:g}{' (excluded)' * self.above}",
            f"{self.highest:g}{' (excluded)' * self.below}",
        )
        return " … ".join(ends)


def _near_whole(value: float) -> float:
    if math.isinf(value):
        return value
    return float(round(value)) if math.isclose(value, round(value), rel_tol=1e-9, abs_tol=1e-9) else value


def between(
    lowest: float | None = None, highest: float | None = None, *, above: bool = False, below: bool = False
) -> Part:
    """A range of a variable, for conditions: both ends belong to it unless `above` or `below` leaves one out.

    Args:
        lowest, highest: ends; None for no end.
        above: leave out `lowest`.
        below: leave out `highest`.

    Raises:
        ChainruleError: on an end that is not a number.

    Example:
        >>> between(40, None).holds(39), between(40, None).holds(40)
        (False, True)
    """
    low, high = (
        -math.inf if lowest is None else float(lowest),
        math.inf if highest is None else float(highest),
    )
    return Part(lowest=low, highest=high, above=above, below=below)
