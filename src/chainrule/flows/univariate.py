"""Monotone maps of one variable, whose parameters a net gives: what couplings and autoregressive flows are made of."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.errors import ChainruleError
from chainrule.layers.rational_quadratic import Piece

STEEPEST = 3.0  # of |log ∂z/∂y| in one layer: float32 survives the way back through a dozen of them
ALIKE = 1.0  # of the logits of bins to either side: of eight, the steepest chord is 27 = e^3.3


class Univariate(nn.Module, ABC):
    """y ↔ z, increasing in each variable: its own parameters say how.

    Parameters of zero give the identity, so that a coupling starts as nothing.

    Attributes:
        size: P, parameters of a variable.
    """

    size: int

    @abstractmethod
    def forward(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(…,), (…, P) → z and log ∂z/∂y, both (…,)."""

    @abstractmethod
    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        """(…,), (…, P) → y (…,)."""


class Shift(Univariate):
    """z = y + t.

    References:
        Dinh, Krueger, Bengio (2015), "NICE", https://arxiv.org/abs/1410.8516, §3.2
    """

    size = 1

    def forward(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(…,), (…, 1) → (…,), zeros (…,)."""
        return y + params[..., 0], torch.zeros_like(y)

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        """(…,), (…, 1) → (…,)."""
        return z - params[..., 0]


class Affine(Univariate):
    """z = y exp(s) + t; s has a soft limit.

    References:
        Dinh, Sohl-Dickstein, Bengio (2017), "Density estimation using Real NVP", https://arxiv.org/abs/1605.08803, §3.2
    """

    size = 2

    def forward(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(…,), (…, 2) → (…,), (…,)."""
        log_scale, shift = _limited(params[..., 0]), params[..., 1]
        return y * log_scale.exp() + shift, log_scale

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        """(…,), (…, 2) → (…,)."""
        log_scale, shift = _limited(params[..., 0]), params[..., 1]
        return (z - shift) * (-log_scale).exp()


class Standardise(Univariate):
    """z = (y - μ) / σ, with parameters μ and log σ, which has a soft limit.

    References:
        Papamakarios, Pavlakou, Murray (2017), "Masked autoregressive flow for density estimation",
        https://arxiv.org/abs/1705.07057, §3
    """

    size = 2

    def forward(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(…,), (…, 2) → (…,), (…,)."""
        result: Any = _Standardised.apply(y, params.to(y.dtype))  # a net under autocast gives bfloat16
        return result

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        """(…,), (…, 2) → (…,)."""
        mean, log_scale = params[..., 0], _limited(params[..., 1])
        return mean + log_scale.exp() * z


class _Standardised(torch.autograd.Function):
    """z and -log σ of y and the parameters: few operations, and gradients of all parameters in one tensor."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        bent = torch.tanh(params[..., 1] * (1 / STEEPEST))
        log_slope = bent * -STEEPEST
        slope = log_slope.exp()
        z = (y - params[..., 0]).mul_(slope)
        ctx.save_for_backward(y, params, bent, slope, z)
        return z, log_slope

    @staticmethod
    def backward(ctx: Any, of_z: Tensor, of_slope: Tensor) -> tuple[Tensor, Tensor]:
        y, params, bent, slope, z = ctx.saved_tensors
        if torch.is_grad_enabled():  # of higher derivatives
            bent = torch.tanh(params[..., 1] / STEEPEST)
            slope = torch.exp(-STEEPEST * bent)
            z = (y - params[..., 0]) * slope
            of_raw = (bent.square() - 1) * (of_slope + of_z * z)
            return of_z * slope, torch.stack([-of_z * slope, of_raw], dim=-1)
        of_y, of_params = of_z * slope, torch.empty_like(params)
        of_log = torch.addcmul(of_slope, of_z, z)
        torch.neg(of_y, out=of_params[..., 0])
        torch.neg(torch.ops.aten.tanh_backward(of_log, bent), out=of_params[..., 1])
        return of_y, of_params


class Spline(Univariate):
    """A monotone rational-quadratic spline from [-B, B] onto itself; the identity outside.

    Deviation: soft limits of log-slopes, and of how much bins differ, in place of least widths, heights and slopes.

    Args:
        bins: K; a variable has 3K - 1 parameters: K widths, K heights, K - 1 slopes at the inner knots.
        bound: B.

    References:
        Durkan, Bekasov, Murray, Papamakarios (2019), "Neural spline flows", https://arxiv.org/abs/1906.04032,
        §3.1 and appendix A.1; after Gregory, Delbourgo (1982)
    """

    def __init__(self, bins: int = 8, bound: float = 3.0) -> None:
        super().__init__()
        if bins < 2:
            raise ChainruleError(f"bins: expected 2 or more, got {bins}")
        if not 0 < bound < math.inf:
            raise ChainruleError(f"bound: expected a positive number, got {bound}")
        self.bins, self.bound, self.size = bins, bound, 3 * bins - 1

    def forward(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(…,), (…, 3K-1) → (…,), (…,)."""
        z, slope = self._bin(y, params, 0).forward(y.clamp(-self.bound, self.bound))
        inside = y.abs() < self.bound
        return torch.where(inside, z, y), torch.where(inside, slope.log(), 0.0)

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        """(…,), (…, 3K-1) → (…,)."""
        y = self._bin(z, params, 1).inverse(z.clamp(-self.bound, self.bound))
        return torch.where(z.abs() < self.bound, y, z)

    def _bin(self, value: Tensor, params: Tensor, axis: int) -> Piece:
        """The bin that holds a value of y (axis 0) or z (axis 1)."""
        k = self.bins
        knots = [self._knots(params[..., :k]), self._knots(params[..., k : 2 * k])]
        slopes = F.pad(_limited(params[..., 2 * k :]).exp(), (1, 1), value=1.0)
        at = (value[..., None] >= knots[axis][..., 1:-1]).sum(-1, keepdim=True)
        ends = [(part.gather(-1, at)[..., 0], part.gather(-1, at + 1)[..., 0]) for part in (*knots, slopes)]
        (left, right), (low, high), (d0, d1) = ends
        return Piece(left, right - left, low, high - low, d0, d1)

    def _knots(self, raw: Tensor) -> Tensor:
        """(…, K) → the places (…, K+1) of the knots, from -B to B."""
        # A softmax: its logits need no largest one taken off, and torch's own is slow over so few.
        ends = _limited(raw, ALIKE).exp().cumsum(-1)
        inner = ends[..., :-1] / ends[..., -1:]
        return self.bound * (2 * F.pad(F.pad(inner, (1, 0)), (0, 1), value=1.0) - 1)


def _limited(raw: Tensor, limit: float = STEEPEST) -> Tensor:
    """In ±`limit`, softly."""
    return limit * torch.tanh(raw / limit)
