"""The monotone map of each number column: T(x) = logit F̂(x), F̂ a smooth distribution function."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.layers.numbers.curve import KNOTS, Curve
from chainrule.layers.numbers.float64 import Float64
from chainrule.layers.rational_quadratic import Piece

FARTHEST = 1e300  # of values, and of what is measured in units of a tail
NEAREST = 1e-18  # to an end, as a share of the tail: no density is infinite


class MarginalMap(Float64):
    """x ↔ z of several columns: a rational-quadratic spline between knots, generalised Pareto tails beyond them.

    A tail is z = z_K + log(1 + ξ s t) / ξ at t beyond the last knot, where the slope is s. All is in float64, so that
    1.7·10⁹ + 1 and 1.7·10⁹ differ. Until curves are set a column has one knot, at 0.

    Args:
        columns: m.
    """

    knots: Tensor
    tails: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("knots", torch.zeros(columns, KNOTS, 3, dtype=torch.float64))
        self.register_buffer("tails", torch.zeros(columns, 2, 5, dtype=torch.float64))
        zero = torch.zeros(1, dtype=torch.float64)
        for column in range(columns):
            self.keep(column, Curve(zero, zero, zero + 1, (0.1, 0.1), (1.0, 1.0)))

    @torch.no_grad()
    def keep(self, column: int, curve: Curve) -> None:
        """Set the curve of a column."""
        count = len(curve.x)
        beyond = torch.arange(1, KNOTS - count + 1, dtype=torch.float64, device=curve.x.device)
        spare = torch.stack(
            [torch.full_like(beyond, torch.finfo(beyond.dtype).max), curve.z[-1] + beyond, beyond], dim=-1
        )
        points = torch.stack([curve.x, curve.z, curve.slope], dim=-1)
        self.knots[column] = torch.cat([points, spare])
        for side, tail in enumerate(zip(curve.steep, curve.shapes, curve.ends, strict=True)):
            self.tails[column, side] = torch.cat([points[-side, :2], points.new_tensor(tail)])

    def forward(self, x: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """x (…, m) of the columns (m,) by number → z and log ∂z/∂x, both (…, m) float64."""
        x = x.double().clamp(-FARTHEST, FARTHEST)
        lower, upper = self.tails.index_select(0, columns).unbind(1)
        z, slope = self._piece(x, columns, 0).forward(x.clamp(lower[:, 0], upper[:, 0]))
        log_slope = slope.log()
        for outside, sign, tail in ((x <= lower[:, 0], -1, lower), (x >= upper[:, 0], 1, upper)):
            at, height, steep, shape, end = tail.unbind(-1)
            t = (sign * (x - at)).clamp(min=0)
            # From the end, where there is one: nothing is lost by a difference of almost equal numbers.
            left = (sign * (end - x) * -shape * steep).clamp(NEAREST, 1.0)
            grown = torch.where(
                shape < 0, left.log(), (shape * (steep * t).clamp(max=FARTHEST)).clamp(min=0).log1p()
            )
            z = torch.where(outside, height + sign * grown / shape, z)
            log_slope = torch.where(outside, steep.log() - grown, log_slope)
        return z, log_slope

    def inverse(self, z: Tensor, columns: Tensor) -> Tensor:
        """z (…, m) of the columns (m,) by number → x (…, m) float64."""
        z = z.double()
        lower, upper = self.tails.index_select(0, columns).unbind(1)
        x = self._piece(z, columns, 1).inverse(z.clamp(lower[:, 1], upper[:, 1]))
        for outside, sign, tail in ((z <= lower[:, 1], -1, lower), (z >= upper[:, 1], 1, upper)):
            at, height, steep, shape, end = tail.unbind(-1)
            grown = (shape * (sign * (z - height)).clamp(min=0)).clamp(max=600.0)
            ended = end + sign * grown.exp() / (shape * steep)
            x = torch.where(
                outside, torch.where(shape < 0, ended, at + sign * grown.expm1() / (shape * steep)), x
            )
        return x

    def _piece(self, value: Tensor, columns: Tensor, axis: int) -> Piece:
        """The piece of the spline that holds a value of x (axis 0) or z (axis 1)."""
        knots = self.knots.index_select(0, columns)
        by_column = value.movedim(-1, 0).flatten(1).contiguous()
        at = torch.searchsorted(knots[:, 1:-1, axis].contiguous(), by_column)
        at = at.unflatten(1, value.shape[:-1]).movedim(0, -1)
        rows = torch.arange(len(columns), device=value.device)
        left, right = knots[rows, at], knots[rows, at + 1]
        (x, low, first), (end, high, last) = left.unbind(-1), right.unbind(-1)
        # Beyond the last knot there is no piece: any width will do.
        width = torch.where(end == torch.finfo(end.dtype).max, 1.0, end - x)
        return Piece(x, width, low, high - low, first, last)
