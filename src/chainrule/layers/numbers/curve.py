"""T(x) = logit F̂(x) of one column, as numbers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

KNOTS = 64  # at most


@dataclass(frozen=True)
class Curve:
    """T of one column.

    Attributes:
        x, z, slope: (k,) float64, at the knots; both rise, and k ≥ 1.
        shapes: ξ of the lower and of the upper tail.
        steep: the slopes with which these begin: those of the outer knots, and two where there is only one knot.
        ends: where a tail of ξ < 0 ends, 1 / (-ξ · steep) from the last knot; of the others nothing.
    """

    x: Tensor
    z: Tensor
    slope: Tensor
    shapes: tuple[float, float]
    steep: tuple[float, float]
    ends: tuple[float, float] = (0.0, 0.0)
