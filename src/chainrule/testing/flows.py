"""Laws of reversible models: the inverse is exact, and so is the log-determinant."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from chainrule.engine import exact_arithmetic
from chainrule.models.base.flow import Flow
from chainrule.testing.subject import SCORED, LawNotBinding, Subject, close, require

ULPS = 20


def inverts(subject: Subject) -> None:
    """inverse(forward(x)) = x and forward(inverse(z)) = z: to 1e-10 in float64, to 1e-4 in float32.

    Where the inverse is steep, float32 may be off by `ULPS` times what rounding z alone costs.
    """
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        model = _flow(subject, dtype)
        y = _points(subject, dtype)
        with exact_arithmetic(model):
            z, _ = model.bijection(y)
            back = model.bijection.inverse(z)
            again, _ = model.bijection(model.bijection.inverse(z))
        steep = ULPS * _rounded(model, y) if dtype == torch.float32 else 0.0
        require(
            close(back, y, max(tolerance, steep)), f"inverts: off by {(back - y).abs().max():.2g} in {dtype}"
        )
        require(close(again, z, tolerance), f"inverts: z is off by {(again - z).abs().max():.2g} in {dtype}")


def _rounded(model: Flow, y: Tensor) -> float:
    """How far y is off when all is computed in float64, and z alone is rounded to float32."""
    model = copy.deepcopy(model).double()
    with exact_arithmetic(model):
        z, _ = model.bijection(y.double())
        back = model.bijection.inverse(z.float().double())
    return (back - y).abs().max().item()


def counts_volume(subject: Subject) -> None:
    """The log-determinant is that of the Jacobian, computed in full."""
    model, y = _flow(subject, torch.float64), _points(subject, torch.float64)
    with exact_arithmetic(model):
        _, log_det = model.bijection(y)
        # Row by row, by differences of order h⁴: no derivative of the library's own is used.
        size, h = model.domain.size, 1e-5
        offsets = h * torch.eye(size, dtype=y.dtype).reshape(size, *y.shape[1:])
        slopes = []
        for offset in offsets:
            far, near = (
                (model.bijection(y + k * offset)[0] - model.bijection(y - k * offset)[0]).flatten(1)
                / (2 * k * h)
                for k in (2, 1)
            )
            slopes.append((4 * near - far) / 3)
    full = torch.linalg.slogdet(torch.stack(slopes, dim=2)).logabsdet
    require(close(log_det, full, 1e-6), f"counts_volume: {log_det.tolist()} nats, slogdet {full.tolist()}")


def _flow(subject: Subject, dtype: torch.dtype) -> Flow:
    model = subject.build(dtype, likelihoods=SCORED)
    if not isinstance(model, Flow):
        raise LawNotBinding("the model is no flow")
    return model


def _points(subject: Subject, dtype: torch.dtype) -> Tensor:
    """Points of the flow's space (7, *event_shape): levels are numbers in [0, 1], reals are standardised."""
    if subject.domain.discrete:
        u = torch.rand(7, *subject.domain.event_shape, generator=subject.generator(), dtype=torch.float64)
        return u.to(dtype)
    points = torch.randn(7, *subject.domain.event_shape, generator=subject.generator(), dtype=torch.float64)
    return points.to(dtype)
