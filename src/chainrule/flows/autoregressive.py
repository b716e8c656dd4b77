"""An autoregressive net with a normal for each variable, read as a bijection."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from chainrule.engine import Sample, exact_arithmetic, rollout
from chainrule.flows.bijection import STEEPEST, Bijection
from chainrule.heads import Conditional, Gaussian, Head, Normal
from chainrule.layers import State
from chainrule.networks import Network


class Located(Normal):
    """A normal whose noise is normal already: its inverse map, instead of its quantile."""

    def draw(self, u: Tensor) -> Tensor:
        """mean + scale·u: (B,) → (B,)."""
        return self.mean + self.scale * u.to(self.mean.dtype)


class GivenNoise(Gaussian):
    """The head under which `Sample` runs a flow's inverse: its noise is z."""

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """x = μ + σ z."""
        normal, state = super().step(prev, state, v)
        assert isinstance(normal, Normal)
        return Located(normal.mean, normal.scale), state


class Autoregressive(Bijection):
    """z_d = (y_d - μ(y_<d)) / σ(y_<d): all at once. Back, y_d = μ(y_<d) + σ(y_<d) z_d: a rollout of one pass.

    It is an `engine.Stepwise`, so the loop that samples every other model is the inverse.

    Args:
        network: strictly causal, (B, D, 1) → (B, D, 2): μ and, before a soft limit, log σ.
        size: D.

    References:
        Papamakarios, Pavlakou, Murray (2017), "Masked autoregressive flow for density estimation",
        https://arxiv.org/abs/1705.07057, §3
    """

    head: Head

    def __init__(self, network: Network, size: int) -> None:
        super().__init__()
        self.network, self.sites, self.head = network, size, GivenNoise()

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) → (B, D), (B,)."""
        mean, log_scale = _limited(self.network(y[..., None])).unbind(-1)
        return (y - mean) * (-log_scale).exp(), -log_scale.sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D); differentiable in z and in the parameters.

        y solves y = μ(y) + σ(y) z, whose Jacobian in y is strictly triangular: the gradient is the same series that
        back-propagation through the steps would sum, at most D terms, without keeping the steps.
        """
        training = torch.is_grad_enabled() and (
            z.requires_grad or any(p.requires_grad for p in self.parameters())
        )
        with exact_arithmetic(self):
            values = rollout(
                self,
                Sample(z.detach().double()),
                len(z),
                device=z.device,
                dtype=z.dtype,
                runner=self if training else None,
            ).values[..., 0]
        if not training:
            return values
        solved = self._generated(values, z)
        fixed = solved.detach().requires_grad_()
        again = self._generated(fixed, z.detach())

        def adjoint(gradient: Tensor) -> Tensor:
            """g (1 - J)⁻¹ = g + g J + g J² + …, J the Jacobian in y."""
            term, total = gradient, gradient
            for _ in range(self.sites - 1):
                (term,) = torch.autograd.grad(again, fixed, term, retain_graph=True)
                if not term.any():
                    break
                total = total + term
            return total

        solved.register_hook(adjoint)
        return solved

    def _generated(self, y: Tensor, z: Tensor) -> Tensor:
        """μ(y) + σ(y) z, (B, D)."""
        mean, log_scale = _limited(self.network(y[..., None])).unbind(-1)
        return mean + log_scale.exp() * z

    # --- what a rollout needs --------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the parameters."""
        return next(self.parameters()).dtype

    def init_state(
        self, batch: int, *, cond: Tensor | None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The network's."""
        return self.network.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable) -> tuple[Tensor, State]:
        """(B, 1) → (B, 2)."""
        params, state = self.network.step(prev, state, t, phase=phase)
        return _limited(params), state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, 2)."""
        params, state = self.network.prefill(sites, state)
        return _limited(params), state

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The network's."""
        return self.network.schedule(length)


def _limited(params: Tensor) -> Tensor:
    """(…, 2) → (…, 2): log σ in ±`STEEPEST`, so that float32 survives the way back through many of them."""
    mean, raw = params.unbind(-1)
    return torch.stack([mean, STEEPEST * torch.tanh(raw / STEEPEST)], dim=-1)
