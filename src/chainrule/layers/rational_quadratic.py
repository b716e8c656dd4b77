"""One piece of a monotone rational-quadratic spline, in both directions.

References:
    Gregory, Delbourgo (1982), "Piecewise rational quadratic interpolation to monotonic data"
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Piece(NamedTuple):
    """Where a piece begins, how far it reaches in x and in z, and ∂z/∂x at both its ends; all of one shape."""

    left: Tensor
    width: Tensor
    low: Tensor
    height: Tensor
    first: Tensor
    last: Tensor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x within the piece → z and ∂z/∂x."""
        t, s = (x - self.left) / self.width, self.height / self.width
        below = s + (self.first + self.last - 2 * s) * t * (1 - t)
        z = self.low + self.height * (s * t.square() + self.first * t * (1 - t)) / below
        rise = self.last * t.square() + 2 * s * t * (1 - t) + self.first * (1 - t).square()
        return z, s.square() * rise / below.square()

    def inverse(self, z: Tensor) -> Tensor:
        """z within the piece → x: the root t in [0, 1] of a t² + b t + c."""
        rise, s = z - self.low, self.height / self.width
        bend = rise * (self.first + self.last - 2 * s)
        a, b, c = self.height * (s - self.first) + bend, self.height * self.first - bend, -s * rise
        t = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        return self.left + t * self.width
