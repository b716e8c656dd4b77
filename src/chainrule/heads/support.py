"""Which values a variable can take, and whether these have probabilities or a density."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Support:
    """What lies between two ends: every number, with a density, or those a step apart, each with a probability.

    Attributes:
        lowest, highest: the ends; values with a density lie strictly between them.
        step: from one value to the next, counted from 0; None for a density.
        points: values with a probability besides; NaN is a missing one.

    Example:
        >>> discrete(4).levels, COUNTS.levels, interval(-1, 1).with_points(0.0).points
        (4, None, (0.0,))
    """

    lowest: float = -math.inf
    highest: float = math.inf
    step: float | None = None
    points: tuple[float, ...] = ()

    @property
    def levels(self) -> int | None:
        """K, where the values are the levels 0 … K-1 and nothing else; else None."""
        finite = self.step == 1 and self.lowest == 0 and math.isfinite(self.highest) and not self.points
        return int(self.highest) + 1 if finite else None

    def with_points(self, *points: float) -> Support:
        """The same, and values with a probability of their own."""
        return replace(self, points=(*self.points, *points))


REALS = Support()
POSITIVE = Support(lowest=0.0)
UNIT = Support(lowest=0.0, highest=1.0)
COUNTS = Support(lowest=0.0, step=1.0)


def discrete(levels: int) -> Support:
    """The levels 0 … K-1."""
    return Support(0.0, levels - 1.0, step=1.0)


def interval(lowest: float, highest: float) -> Support:
    """A density between two ends."""
    return Support(lowest, highest)
