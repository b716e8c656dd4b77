"""Mixtures: of densities for reals, of logistics over bins for whole numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.devices import widened
from chainrule.errors import ChainruleError
from chainrule.heads.conditional import Conditional
from chainrule.heads.head import Head
from chainrule.heads.kernels import KERNELS, LOG_SCALES
from chainrule.heads.support import REALS, Support
from chainrule.layers.state import State

# A logistic whose scale is e^-3 of a bin puts all its mass in that bin: narrower ones differ in nothing.
NARROWEST_BIN = -3.0
BARELY = 1e-6  # of a bin: what rounding makes of a place in its middle


class MixtureConditional(Conditional):
    """Σ_k w_k · kernel((x - m_k) / s_k) / s_k.

    Args:
        log_weights, means, log_scales: (…, K); the weights sum to 1.
        kernel: a name of `KERNELS`.
    """

    def __init__(self, log_weights: Tensor, means: Tensor, log_scales: Tensor, kernel: str) -> None:
        self.log_weights, self.means, self.log_scales = log_weights, means, log_scales
        self.kernel = kernel

    def log_prob(self, value: Tensor) -> Tensor:
        """(…,) → (…,) nats."""
        z = (value[..., None] - self.means) * torch.exp(-self.log_scales)
        return torch.logsumexp(self.log_weights - self.log_scales + KERNELS[self.kernel].log_density(z), -1)

    def cdf(self, value: Tensor, *, strict: bool = False, upper: bool = False) -> Tensor:
        """Σ_k w_k · cdf of the kernel."""
        z = (value[..., None] - widened(self.means)) * torch.exp(-widened(self.log_scales))
        return (widened(self.log_weights).exp() * KERNELS[self.kernel].cdf(-z if upper else z)).sum(-1)

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,): u chooses a component, and what is left of it, uniform again, a value there."""
        if self.means.shape[-1] == 1:
            return self._value(u, self.means[..., 0], self.log_scales[..., 0])
        ends = widened(self.log_weights).exp().cumsum(-1)
        ends = ends / ends[..., -1:]
        chosen = torch.searchsorted(ends, u[..., None].contiguous(), right=True).clamp(max=ends.shape[-1] - 1)
        starts = F.pad(ends, (1, 0)).gather(-1, chosen)[..., 0]
        rest = (u - starts) / (ends.gather(-1, chosen)[..., 0] - starts)
        return self._value(
            rest, self.means.gather(-1, chosen)[..., 0], self.log_scales.gather(-1, chosen)[..., 0]
        )

    def _value(self, u: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        z = KERNELS[self.kernel].inverse_cdf(u.clamp(1e-300, 1 - 1e-16)).to(mean.dtype)
        return mean + z * log_scale.exp()

    def mode(self) -> Tensor:
        """The most probable of the components' means (B,)."""
        at_means = torch.stack([self.log_prob(mean) for mean in self.means.unbind(-1)], dim=-1)
        return self.means.gather(-1, at_means.argmax(-1, keepdim=True))[..., 0]

    def tempered(self, temperature: float) -> MixtureConditional:
        """∝ p^(1/temperature) where components lie apart, and nearly so where they overlap.

        Of a component w k((x - m) / s) / s that is one of the same kind, of weight w^(1/T) peak^(1/T - 1).
        """
        cold = 1 / temperature
        log_weights = widened(self.log_weights) * cold + widened(self._log_peaks()) * (cold - 1)
        scales = self.log_scales + math.log(KERNELS[self.kernel].spread(temperature))
        log_weights = torch.log_softmax(log_weights, dim=-1).to(self.log_weights.dtype)
        return self._replaced(log_weights, scales.clamp(max=LOG_SCALES[1]))

    def _log_peaks(self) -> Tensor:
        """The highest log-density of each component, but for what is the same for all."""
        return -self.log_scales

    def _replaced(self, log_weights: Tensor, log_scales: Tensor) -> MixtureConditional:
        return MixtureConditional(log_weights, self.means, log_scales, self.kernel)


class BinnedMixtureConditional(MixtureConditional):
    """A mixture of logistics integrated over bins of a width: a distribution on the multiples of the width."""

    def __init__(self, log_weights: Tensor, means: Tensor, log_scales: Tensor, width: Tensor) -> None:
        super().__init__(log_weights, means, log_scales, "logistic")
        self.width = width

    def log_prob(self, value: Tensor) -> Tensor:
        """(…,) → (…,) nats: log(σ(high) - σ(low)) = log σ(high) + log σ(-low) + log(1 - e^(low - high))."""
        inverse = torch.exp(-self.log_scales)
        centre, half = (value[..., None] - self.means) * inverse, 0.5 * self.width * inverse
        mass = F.logsigmoid(centre + half) + F.logsigmoid(half - centre) + torch.log(-torch.expm1(-2 * half))
        return torch.logsumexp(self.log_weights + mass, -1)

    def cdf(self, value: Tensor, *, strict: bool = False, upper: bool = False) -> Tensor:
        """The mixture's own at the upper edge of the last bin."""
        bins = value / widened(self.width)
        last = torch.ceil(bins - BARELY) - 1 if strict else torch.floor(bins + BARELY)
        return super().cdf((last + 0.5) * widened(self.width), upper=upper)

    def nearest(self, value: Tensor) -> Tensor:
        """The nearest multiple of the width."""
        return torch.round(value / widened(self.width)) * widened(self.width)

    def masses(self, edges: Tensor) -> Tensor:
        """The probability of the multiples from each edge up to the next: (B, E+1) integers → (B, E) float64."""
        places = (widened(edges) - 0.5) * widened(self.width)
        return logistic_masses(places, self.log_weights, self.means, self.log_scales)

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,) multiples of the width."""
        return self._snap(super().draw(u))

    def mode(self) -> Tensor:
        """The most probable of the bins of the components' means (B,)."""
        snapped = BinnedMixtureConditional(
            self.log_weights, self._snap(self.means), self.log_scales, self.width
        )
        at_means = torch.stack([self.log_prob(mean) for mean in snapped.means.unbind(-1)], dim=-1)
        return snapped.means.gather(-1, at_means.argmax(-1, keepdim=True))[..., 0]

    def _log_peaks(self) -> Tensor:
        return torch.log(torch.tanh(0.25 * self.width * torch.exp(-self.log_scales)))

    def _snap(self, value: Tensor) -> Tensor:
        return torch.round(value / self.width) * self.width

    def _replaced(self, log_weights: Tensor, log_scales: Tensor) -> MixtureConditional:
        return BinnedMixtureConditional(log_weights, self.means, log_scales, self.width)


class Mixture(Head):
    """One real as a mixture of K densities; parameters (K means, K log-scales, K logits of weights).

    Log-scales are clamped to [-7, 12]: no component is narrower than e^-7 = 9.1e-4 of the variable's scale, so that
    a column of repeated values has a finite density. `floor` is the lower end. Means are measured from K points
    spread over [-1.5, 1.5], so that equal parameters are not equal components.

    Args:
        components: K.
        kernel: "gaussian", "laplace" or "logistic".
        uniform: whether all weights are 1/K; the head then has no logits.

    References:
        Uria, Murray, Larochelle (2013), "RNADE: the real-valued neural autoregressive density-estimator",
        https://arxiv.org/abs/1306.0186, eq. 9-12.

    Example:
        >>> Mixture(1).log_prob(torch.zeros(1, 3), torch.zeros(1, 1))
        tensor([[-0.9189]])
    """

    variables, support = 1, REALS
    spread: Tensor

    def __init__(self, components: int = 10, *, kernel: str = "gaussian", uniform: bool = False) -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ChainruleError(f"kernel: expected one of {', '.join(KERNELS)}, got {kernel!r}")
        self.components, self.kernel, self.uniform = components, kernel, uniform
        self.size = components * (2 if uniform else 3)
        self.floor = LOG_SCALES[0]
        points = torch.linspace(-1.5, 1.5, components) if components > 1 else torch.zeros(1)
        self.register_buffer("spread", points, persistent=False)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, 1) → (…, 1) nats."""
        return self._conditional(params).log_prob(x[..., 0])[..., None]

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The mixture."""
        return self._conditional(state), state

    def _conditional(self, params: Tensor) -> MixtureConditional:
        log_weights, means, log_scales = self._parts(params)
        return MixtureConditional(
            log_weights, means, log_scales.clamp(self.floor, LOG_SCALES[1]), self.kernel
        )

    def _parts(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        k = self.components
        means, log_scales, logits = (
            params[..., :k] + self.spread,
            params[..., k : 2 * k],
            params[..., 2 * k :],
        )
        if self.uniform or k == 1:
            return torch.full_like(means, -math.log(k)), means, log_scales
        return torch.log_softmax(logits, dim=-1), means, log_scales


class BinnedMixture(Mixture):
    """Whole numbers, in units where they are `width` apart: logistics integrated over bins. Sums to 1 over all of ℤ.

    Args:
        components: K.
    """

    width: Tensor

    def __init__(self, components: int = 10) -> None:
        super().__init__(components, kernel="logistic")
        self.register_buffer("width", torch.ones(()))

    @property
    def support(self) -> Support:  # type: ignore[override]
        """The multiples of the width."""
        return Support(step=float(self.width))

    def _conditional(self, params: Tensor) -> MixtureConditional:
        log_weights, means, log_scales = self._parts(params)
        narrowest = self.width.log() + NARROWEST_BIN
        log_scales = torch.maximum(log_scales, narrowest).clamp(max=LOG_SCALES[1])
        return BinnedMixtureConditional(log_weights, means, log_scales, self.width)


def logistic_masses(places: Tensor, log_weights: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """What a mixture of logistics has between neighbouring places: (B, E+1) float64, (B, K) → (B, E) float64.

    Exact to rounding far out in either tail: there the smaller of both tails are subtracted.
    """
    z = (places[..., None] - widened(means)[:, None]) * torch.exp(-widened(log_scales))[:, None]
    low, high = z[:, :-1], z[:, 1:]
    upper = low > 0
    masses = torch.sigmoid(torch.where(upper, -low, high)) - torch.sigmoid(torch.where(upper, -high, low))
    return (masses * widened(log_weights).exp()[:, None]).sum(-1)
