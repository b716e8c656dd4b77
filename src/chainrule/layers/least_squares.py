"""Linear predictions that learn as they go: recursive least squares with forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.devices import widened, widest
from chainrule.errors import ChainruleError
from chainrule.layers.layer import CausalLayer
from chainrule.layers.state import State

AVERAGED = (10.0, 33.0, 200.0)  # samples over which the sizes of errors are averaged
WEIGHED_BY = 1  # which of them weighs an error
FIRST_ERROR = 16.0  # as if one of this size had been before the first: a size there has to be
SMALLEST = 0.3  # what is added to sizes, of a sample's unit: in silence they would be 0
LOOSE = 100.0  # the inverse covariance of each coefficient before the first sample
LOOSEST = 1e6  # and the mean of these, above which nothing more is forgotten


class LeastSquaresState(NamedTuple):
    """The inverse covariances of the weighted past (B, J, p, p), zero beyond a predictor's order; the coefficients
    (B, J, p); the last p samples, the latest first (B, p); sums of the sizes of errors (B, J, 3), and of their weights
    (B, 3)."""

    inverse: Tensor
    coefficients: Tensor
    past: Tensor
    sizes: Tensor
    weights: Tensor


class LeastSquares(CausalLayer):
    """J linear predictors of the next sample, each refitted to the past after every sample.

    Predictor j minimises Σ_s λ_j^(t-s) v_s (x_s - w·h_s)² over its coefficients w, where h_s are the samples before s,
    as many as its order, and λ_j = 1 - 1/memory. Its error e has the weight v = 1 / (σ (σ + |e|)), σ the mean size of
    the errors before: a click or the start of a pitch period then moves it less. With P the inverse of the weighted
    covariance, the exact solution follows each sample by

        g = P h / (λ/v + h·P h),    w ← w + g e,    P ← (P - g (P h)ᵀ) / λ.

    In silence P would grow without end; while the mean of its diagonal is above a limit, nothing is forgotten.
    Predictions are limited to [-limit, limit]. All is in float64, where there is one. There is nothing to train. A
    parallel pass is the steps one after another: on a CPU in one compiled loop, elsewhere one by one.

    Args:
        orders: of each predictor, in samples.
        memories: of each predictor, in samples.
        limit: of predictions, in the samples' unit.

    References:
        Haykin (2002), "Adaptive filter theory", 4th edition, table 9.1; in a coder: Huang, Franti, Huang, Rahardja
        (2013), "Cascaded RLS-LMS prediction in MPEG-4 lossless audio coding", with the weights of robust regression.
    """

    receptive_field = None
    supports_streaming = True
    orders: Tensor
    forgetting: Tensor
    start: Tensor
    decay: Tensor

    def __init__(self, orders: Sequence[int], memories: Sequence[float], *, limit: float) -> None:
        super().__init__()
        if not orders or len(orders) != len(memories) or min(orders) < 1 or min(memories) <= 1:
            raise ChainruleError(
                "orders, memories: expected one of each for every predictor, orders ≥ 1 and memories > 1, got "
                f"{list(orders)} and {list(memories)}"
            )
        self.limit, self.predictors = limit, len(orders)
        double = torch.float64
        own = (torch.arange(max(orders)) < torch.tensor(list(orders))[:, None]).to(double)
        for name, value in (
            ("orders", torch.tensor(list(orders))),
            ("forgetting", 1 - 1 / torch.tensor(list(memories), dtype=double)[:, None]),
            ("start", LOOSE * torch.diag_embed(own)),
            ("decay", 1 - 1 / torch.tensor(AVERAGED, dtype=double)),
        ):
            self.register_buffer(name, value, persistent=False)
        self.loosest = LOOSEST * sum(orders) / len(orders)

    @property
    def outputs(self) -> int:
        """Numbers that it puts at a position."""
        return self.predictors * (2 + len(AVERAGED))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 1) → (B, T, J·5), see `step`."""
        return self.prefill(x, self._start(x.shape[0], x.device))[0]

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """No samples, and coefficients of zero."""
        return self._start(batch, device)

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """The sample at t (B, 1) → (B, J·5): J predictions of the next one, J errors of this one, and the J mean sizes
        of errors over 10 samples, over 33, and over 200."""
        inverse, coefficients, past, sizes, weights = state
        x, forgetting, decay = widened(x), widened(self.forgetting), widened(self.decay)
        error = x - self._predict(coefficients, past)
        usual = sizes[..., WEIGHED_BY] / weights[:, WEIGHED_BY, None] + SMALLEST

        along = (inverse * past[:, None, None]).sum(-1)
        spread = (along * past[:, None]).sum(-1, keepdim=True)
        spread = spread + forgetting * (usual * (usual + error.abs()))[..., None]
        coefficients = coefficients + along * (error[..., None] / spread)
        inverse = inverse - along[..., None] * along[..., None, :] / spread[..., None]
        loose = inverse.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True) > self.loosest
        inverse = inverse / torch.where(loose, 1.0, forgetting)[..., None]

        past = torch.cat([x, past[:, :-1]], dim=1)
        sizes = sizes * decay + error.abs()[..., None]
        weights = weights * decay + 1
        found = sizes / weights[:, None] + SMALLEST
        out = torch.cat([self._predict(coefficients, past), error, found.transpose(1, 2).flatten(1)], dim=1)
        return out, LeastSquaresState(inverse, coefficients, past, sizes, weights)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, J·5)."""
        if x.device.type == "cpu" and not x.requires_grad:
            from chainrule.layers.least_squares_scan import scan

            after = LeastSquaresState(*(leaf.clone() for leaf in state))
            out = torch.empty(*x.shape[:2], self.outputs, dtype=torch.float64)
            settings = self.orders, self.forgetting[:, 0].double(), self.decay.double()
            arrays = [part.detach().numpy() for part in (x[..., 0].double(), *after, out, *settings)]
            scan(*arrays, self.limit, self.loosest, WEIGHED_BY, SMALLEST)
            return out, after
        outputs = []
        for t, sample in enumerate(x.unbind(1)):
            output, state = self.step(sample, state, torch.tensor(t))
            outputs.append(output)
        return torch.stack(outputs, dim=1), state

    def _predict(self, coefficients: Tensor, past: Tensor) -> Tensor:
        """(B, J, p), (B, p) → (B, J)."""
        return (coefficients * past[:, None]).sum(-1).clamp(-self.limit, self.limit)

    def _start(self, batch: int, device: torch.device) -> LeastSquaresState:
        kind = widest(device)
        j, p = self.start.shape[:2]
        return LeastSquaresState(
            self.start.to(device, kind).repeat(batch, 1, 1, 1),
            torch.zeros(batch, j, p, dtype=kind, device=device),
            torch.zeros(batch, p, dtype=kind, device=device),
            torch.full((batch, j, len(AVERAGED)), FIRST_ERROR, dtype=kind, device=device),
            torch.ones(batch, len(AVERAGED), dtype=kind, device=device),
        )
