"""Mixtures of logistics rounded to levels: the head of PixelCNN++."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.devices import widened
from chainrule.heads.conditional import CategoricalConditional, Conditional
from chainrule.heads.coupled_mixture import coupled_mixture
from chainrule.heads.head import Head
from chainrule.heads.kernels import LOG_SCALES
from chainrule.heads.mixture import MixtureConditional, logistic_masses
from chainrule.heads.support import discrete
from chainrule.layers.state import State

# Of all components while the log-scale parameters are 0: ten of e^-2 = 0.14, spread over [-1, 1], overlap into
# an almost even distribution.
LOG_SCALE_AT_ZERO = -2.0


class RoundedMixtureConditional(CategoricalConditional):
    """A mixture of logistics on [-1, 1], rounded to the nearest level; it draws without making the whole table.

    Args:
        log_weights, means, log_scales: (B, K); the weights sum to 1.
        levels: L.
    """

    def __init__(self, log_weights: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> None:
        self.log_weights, self.means, self.log_scales = log_weights, means, log_scales
        self.count, self.gap, self.other = levels, False, None

    @property
    def levels(self) -> int:
        """L."""
        return self.count

    @property
    def logits(self) -> Tensor:  # type: ignore[override]
        """(B, L) nats, normalised."""
        level = torch.arange(self.count, device=self.means.device)
        masses = log_masses(level, self.means[:, None], self.log_scales[:, None], self.count)
        return torch.logsumexp(self.log_weights[:, None] + masses, dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) levels → (B,) nats."""
        masses = log_masses(value, self.means, self.log_scales, self.count)
        return torch.logsumexp(self.log_weights + masses, dim=-1)

    def masses(self, edges: Tensor) -> Tensor:
        """The probability of the levels from each edge up to the next: (B, E+1) in 0 … L → (B, E) float64."""
        places = _on_scale(widened(edges) - 0.5, self.count)
        places = places.masked_fill(edges <= 0, -math.inf).masked_fill(edges >= self.count, math.inf)
        return logistic_masses(places, self.log_weights, self.means, self.log_scales)

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,) integers: u chooses a component, what is left of it a real there, and that is rounded."""
        real = MixtureConditional(self.log_weights, self.means, self.log_scales, "logistic").draw(u)
        level = (real + 1) * (self.count - 1) / 2
        return level.round().clamp(0, self.count - 1).long()  # beyond the outer levels lie no others


class DiscretisedLogistic(Head):
    """Each of V variables a mixture of K logistics integrated over the levels' bins; one component for all of a site.

    Levels 0 … L-1 lie evenly on [-1, 1]. In component k, variable v is a logistic around

        m_kv + Σ_{u<v} tanh(c_kvu) · x_u,    x_u = 2 · level_u / (L-1) - 1

    of scale s_kv, and the outer bins reach to -∞ and ∞, so that the levels' probabilities sum to 1. The variables share
    the component, so earlier ones inform it: a variable's term weighs component k by π_k ∏_{u<v} p_k(x_u | x_<u),
    normalised.

    Means are measured from K points spread over [-1, 1], (2k+1)/K - 1 for k = 0 … K-1, so that equal parameters are
    not equal components. Log-scales are measured from -2 and clamped to [-7, 12]: the narrowest logistic, centred on
    one of 256 levels, has 97% of its mass there. Of more levels the lower limit is lower, so that the same holds.

    Where the authors' code puts a floor under a bin's mass and approximates below it, this takes its logarithm
    exactly.

    Args:
        levels: L.
        variables: V, 1 for grey values, 3 for R, G and B.
        components: K; a site has K logits of weights, K·V means, K·V log-scales and K·V(V-1)/2 coefficients c, in
            this order, each with k running fastest. The coefficients are those of u = 0 for v = 1 … V-1, then those
            of u = 1 for v = 2 … V-1, and so on.

    References:
        Salimans, Karpathy, Chen, Kingma (2017), "PixelCNN++: improving the PixelCNN with discretized logistic mixture
        likelihood and other modifications", https://arxiv.org/abs/1701.05517, eq. 1-3.

    Example:
        >>> DiscretisedLogistic(2).log_prob(torch.zeros(1, 30), torch.tensor([[1]])).exp()
        tensor([[0.5000]])
    """

    coupled = True

    def __init__(self, levels: int, variables: int = 1, components: int = 10) -> None:
        super().__init__()
        self.support, self.variables, self.components = discrete(levels), variables, components
        self.pairs = variables * (variables - 1) // 2
        self.size = components * (1 + 2 * variables + self.pairs)
        lowest, highest = LOG_SCALES
        self.log_scales = lowest - math.log(max(levels - 1, 255) / 255), highest

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, V) → (…, V) nats."""
        sites = x.reshape(-1, self.variables).T
        flat = params.reshape(-1, self.size).T.contiguous()
        (logits,), means, log_scales, coefficients = self._components(flat, 0)
        terms = coupled_mixture(logits, means, log_scales, coefficients, sites, self.levels)
        return terms.T.reshape(x.shape)

    def init_state(self, params: Tensor) -> State:
        """Log-weights (B, K), means and log-scales (B, V, K), coefficients (B, V(V-1)/2, K)."""
        logits, *rest = self._components(params, -1)
        return torch.log_softmax(logits[..., 0, :], dim=-1), *rest

    def _components(self, params: Tensor, dim: int) -> tuple[Tensor, ...]:
        """Parameters along `dim` → logits, means, log-scales, tanh of coefficients: K there, 1, V, V, pairs before."""
        v, k = self.variables, self.components
        spread = torch.arange(1 - k, k, 2, device=params.device, dtype=params.dtype) / k
        if dim == 0:
            spread = spread[:, None]
        rows = params.unflatten(dim, (-1, k))
        logits, means, log_scales, coefficients = rows.split(
            [1, v, v, self.pairs], dim=dim if dim >= 0 else -2
        )
        return (
            logits,
            means + spread,
            (log_scales + LOG_SCALE_AT_ZERO).clamp(*self.log_scales),
            torch.tanh(coefficients),
        )

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The mixture, after the value before has shifted the means and updated the weights of the components."""
        log_weights, means, log_scales, coefficients = state
        if prev is not None:
            u = v - 1
            masses = log_masses(prev, means[:, u], log_scales[:, u], self.levels)
            log_weights = torch.log_softmax(log_weights + masses, dim=-1)
            means = self._coupled(means, coefficients, u, prev)
        conditional = RoundedMixtureConditional(log_weights, means[:, v], log_scales[:, v], self.levels)
        return conditional, (log_weights, means, log_scales, coefficients)

    def _coupled(self, means: Tensor, coefficients: Tensor, u: int, level: Tensor) -> Tensor:
        """The means (…, V, K) once variable u has a level (…,): those after it are shifted."""
        own = coefficients.split(list(range(self.variables - 1, 0, -1)), dim=-2)[u]
        # Not a matrix product: autocast would round that to bfloat16.
        shift = own * _on_scale(level.to(means.dtype), self.levels)[..., None, None]
        return means + F.pad(shift, (0, 0, u + 1, 0))


def log_masses(level: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> Tensor:
    """The mass that each logistic has in the bin of a level: (…,), (…, K), (…, K) → (…, K) nats."""
    first, last = (level == 0)[..., None], (level == levels - 1)[..., None]
    inverse = torch.exp(-log_scales)
    centre = (_on_scale(level.to(means.dtype), levels)[..., None] - means) * inverse
    return bin_log_masses(centre, inverse / max(levels - 1, 1), first, last)


def bin_log_masses(centre: Tensor, half: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """The mass that a logistic has in a bin, in nats; of the first bin from -∞, of the last to ∞.

    log(σ(b) - σ(a)) = log σ(b) + log σ(-a) + log(1 - e^(a - b)), for edges a < b. Every term is finite, with a finite
    gradient, also where it is not wanted: the first bin has no lower edge, the last no upper one.

    Args:
        centre: of the bin, from the logistic's mean, in its scale.
        half: of the bin's width, in its scale.
        first, last: whether the bin is.
    """
    above = F.logsigmoid(half + centre).masked_fill(last, 0.0)
    below = F.logsigmoid(half - centre).masked_fill(first, 0.0)
    return above + below + torch.log(-torch.expm1(-2 * half)).masked_fill(first | last, 0.0)


def _on_scale(level: Tensor, levels: int) -> Tensor:
    """Levels 0 … L-1 on [-1, 1]; a single level, which is certain wherever it lies, at -1."""
    return level * (2 / max(levels - 1, 1)) - 1
