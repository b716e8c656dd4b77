"""An autoregressive net with a monotone map for each variable, read as a bijection."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from chainrule.devices import may_look, widened
from chainrule.engine import Sample, exact_arithmetic, rollout
from chainrule.flows.bijection import Bijection
from chainrule.flows.univariate import Standardise, Univariate
from chainrule.heads import REALS, Conditional, Head
from chainrule.layers import State
from chainrule.networks import Network


class Moved(Conditional):
    """What a flow makes of noise z that is given already: no more than the map itself."""

    def __init__(self, univariate: Univariate, params: Tensor) -> None:
        self.univariate, self.params = univariate, params

    def draw(self, u: Tensor) -> Tensor:
        """z (B,) → y (B,)."""
        return self.univariate.inverse(u.to(self.params.dtype), self.params)

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) → (B,) nats, if z is normal."""
        z, log_slope = self.univariate(value, self.params)
        return log_slope - 0.5 * z.square() - 0.5 * math.log(2 * math.pi)


class GivenNoise(Head):
    """The head under which `Sample` runs a flow's inverse: its noise is z.

    Args:
        univariate: of y, given its parameters.
    """

    variables, support = 1, REALS

    def __init__(self, univariate: Univariate) -> None:
        super().__init__()
        self.univariate, self.size = univariate, univariate.size

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, 1) → (…, 1) nats, if z is normal."""
        return Moved(self.univariate, params).log_prob(x[..., 0])[..., None]

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The map."""
        return Moved(self.univariate, state), state


class Autoregressive(Bijection):
    """z_d = f(y_d; θ(y_<d)), all at once. Back, y_d = f⁻¹(z_d; θ(y_<d)): a rollout of one pass.

    It is an `engine.Stepwise`, so the loop that samples every other model is the inverse.

    Args:
        network: strictly causal, (B, D, 1) → (B, D, P): θ.
        size: D.
        univariate: f, of P parameters; `Standardise`, (y - μ) / σ, by default.

    References:
        Papamakarios, Pavlakou, Murray (2017), "Masked autoregressive flow for density estimation",
        https://arxiv.org/abs/1705.07057, §3
    """

    head: Head

    def __init__(self, network: Network, size: int, univariate: Univariate | None = None) -> None:
        super().__init__()
        self.univariate = Standardise() if univariate is None else univariate
        self.network, self.sites, self.head = network, size, GivenNoise(self.univariate)

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) → (B, D), (B,)."""
        y = y.T.contiguous().T  # variable by variable in memory, and so each parameter of all items
        z, log_slope = self.univariate(y, self.network(y[..., None]))
        return z, log_slope.sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D); differentiable in z and in the parameters.

        y solves y = f⁻¹(z; θ(y)), whose Jacobian in y is strictly triangular: the gradient is the same series that
        back-propagation through the steps would sum, at most D terms, without keeping the steps.
        """
        training = torch.is_grad_enabled() and (
            z.requires_grad or any(p.requires_grad for p in self.parameters())
        )
        with exact_arithmetic(self):
            values = rollout(
                self,
                Sample(widened(z.detach())),
                len(z),
                device=z.device,
                dtype=z.dtype,
                runner=self if training else None,
            ).values[..., 0]
        if not training:
            return values
        solved = self._generated(values, z)
        fixed, looking = solved.detach().requires_grad_(), may_look(z.device)
        again = self._generated(fixed, z.detach())

        def adjoint(gradient: Tensor) -> Tensor:
            """g (1 - J)⁻¹ = g + g J + g J² + …, J the Jacobian in y."""
            term, total = gradient, gradient
            for _ in range(self.sites - 1):
                (term,) = torch.autograd.grad(again, fixed, term, retain_graph=True)
                if looking and not term.any():
                    break
                total = total + term
            return total

        solved.register_hook(adjoint)
        return solved

    def _generated(self, y: Tensor, z: Tensor) -> Tensor:
        """f⁻¹(z; θ(y)), (B, D)."""
        return self.univariate.inverse(z, self.network(y[..., None]))

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
        """(B, 1) → (B, P)."""
        return self.network.step(prev, state, t, phase=phase)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, P)."""
        return self.network.prefill(sites, state)

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The network's."""
        return self.network.schedule(length)
