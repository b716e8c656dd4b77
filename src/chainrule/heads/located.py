"""Levels around a prediction: the net says how they are spread there, in units of the prediction's usual error."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.devices import widened
from chainrule.heads.conditional import CategoricalConditional, Conditional
from chainrule.heads.discretised_logistic import bin_log_masses
from chainrule.heads.head import Head
from chainrule.heads.mixture import NARROWEST_BIN, MixtureConditional, logistic_masses
from chainrule.heads.support import discrete
from chainrule.layers.state import State

SPREAD = 0.5  # usual errors from the prediction, within which the means lie while all parameters are 0
LOG_USUAL = -7.0, 14.0  # the log of a usual error, at least and at most
LOG_SCALE = 6.0  # of a component, in usual errors, either way
EVEN = 1e-4  # of the mass, over all levels alike: what lies far from the prediction keeps a finite cost


def located(params: Tensor, components: int) -> tuple[Tensor, Tensor, Tensor]:
    """(…, 3K + 2) → log-weights, means and log-scales (…, K), both in the prediction's unit.

    The parameters are K means and K log-scales, in usual errors, K logits of weights, the prediction, and the log of
    its usual error.
    """
    k = components
    means, log_scales, logits, prediction, usual = params.split([k, k, k, 1, 1], dim=-1)
    means = means + SPREAD / k * torch.arange(1 - k, k, 2, device=params.device, dtype=params.dtype)
    usual = usual.clamp(*LOG_USUAL)
    means = prediction + usual.exp() * means
    return torch.log_softmax(logits, dim=-1), means, usual + log_scales.clamp(-LOG_SCALE, LOG_SCALE)


class LocatedCategorical(Head):
    """A softmax whose logits are log-masses of a mixture of logistics, in the cells of levels, and what the net adds.

        p(l) ∝ e^(c_l) (Σ_k π_k [σ((b_{l+1} - m_k) / s_k) - σ((b_l - m_k) / s_k)] + ε / L)

    Parameters: L corrections c, then those of `located`.

    Args:
        edges: b_0 … b_L of the levels' cells, rising; the first and last are read as -∞ and ∞.
        components: K.
    """

    edges: Tensor

    def __init__(self, edges: Sequence[float], *, components: int = 2) -> None:
        super().__init__()
        self.support, self.variables, self.components = discrete(len(edges) - 1), 1, components
        self.size = len(edges) - 1 + 3 * components + 2
        self.register_buffer("edges", torch.tensor(list(edges)[1:-1]), persistent=False)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, 1) → (…, 1) nats."""
        return torch.log_softmax(self.logits(params), dim=-1).gather(-1, x.long())

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The levels."""
        return CategoricalConditional(self.logits(state)), state

    def logits(self, params: Tensor) -> Tensor:
        """(…, P) → (…, L)."""
        levels = self.size - 3 * self.components - 2
        log_weights, means, log_scales = located(params[..., levels:], self.components)
        weights, inverse = log_weights.exp(), torch.exp(-log_scales)
        below = 0.0
        for k in range(self.components):
            z = (self.edges - means[..., k : k + 1]) * inverse[..., k : k + 1]
            below = below + weights[..., k : k + 1] * torch.sigmoid(z)
        masses = F.pad(F.pad(below, (0, 1), value=1.0), (1, 0)).diff(dim=-1).clamp(min=0)
        return params[..., :levels] + torch.log(masses + EVEN / levels)


class LocatedConditional(CategoricalConditional):
    """A mixture of logistics, integrated over the levels' bins; and the same over those of multiples of a step only.

    Args:
        log_weights, means, log_scales: (B, K); means from the level in the middle, ⌊L/2⌋.
        gate: (B,) the logit of the probability of the second.
        step: (B,) a power of 2 that divides ⌊L/2⌋ and L.
        levels: L.
    """

    def __init__(
        self, log_weights: Tensor, means: Tensor, log_scales: Tensor, gate: Tensor, step: Tensor, levels: int
    ) -> None:
        self.log_weights, self.means, self.log_scales = log_weights, means, log_scales
        self.gate, self.steps = gate, step
        self.count, self.gap, self.other = levels, False, None

    @property
    def levels(self) -> int:
        """L."""
        return self.count

    @property
    def logits(self) -> Tensor:  # type: ignore[override]
        """(B, L) nats, normalised."""
        level = torch.arange(self.count, device=self.means.device).expand(len(self.means), -1)
        parts = self.log_weights, self.means, self.log_scales, self.gate, self.steps
        return located_log_prob(level, *(part[:, None] for part in parts), self.count)

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) levels → (B,) nats."""
        parts = self.log_weights, self.means, self.log_scales, self.gate, self.steps
        return located_log_prob(value, *parts, self.count)

    def masses(self, edges: Tensor) -> Tensor:
        """The probability of the levels from each edge up to the next: (B, E+1) in 0 … L → (B, E) float64."""
        total, chosen = 0.0, torch.sigmoid(widened(self.gate))[:, None]
        for share, step in ((1 - chosen, torch.ones_like(self.steps)), (chosen, self.steps)):
            step = widened(step)[:, None]
            first = torch.ceil(edges / step) * step  # the first of these levels at or above the edge
            places = first - step / 2 - self.count // 2
            places = places.masked_fill(first <= 0, -math.inf).masked_fill(first >= self.count, math.inf)
            total = total + share * logistic_masses(places, self.log_weights, self.means, self.log_scales)
        return total

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,) integers: u chooses bins, what is left of it a component and a real there, which is rounded."""
        chosen = torch.sigmoid(widened(self.gate))
        coarse = u < chosen
        rest = torch.where(coarse, u / chosen, (u - chosen) / (1 - chosen).clamp(min=1e-300)).clamp(0, 1)
        real = MixtureConditional(self.log_weights, self.means, self.log_scales, "logistic").draw(rest)
        step = torch.where(coarse, self.steps, 1.0)
        level = torch.round((real + self.count // 2) / step) * step
        return torch.minimum(level.clamp(min=0), self.count - step).long()


def located_log_prob(
    level: Tensor, log_weights: Tensor, means: Tensor, log_scales: Tensor, gate: Tensor, step: Tensor,
    levels: int,
) -> Tensor:  # fmt: skip
    """Of levels (…,) under (…, K) and (…,), see `LocatedConditional`: (…,) nats."""
    place = (level - levels // 2).to(means.dtype)[..., None] - means
    inverse = torch.exp(-log_scales)

    def over(width: Tensor) -> Tensor:
        first, last = (level < width)[..., None], (level >= levels - width)[..., None]
        masses = bin_log_masses(place * inverse, width[..., None] / 2 * inverse, first, last)
        return torch.logsumexp(log_weights + masses, dim=-1)

    fine, coarse = F.logsigmoid(-gate) + over(torch.ones_like(step)), F.logsigmoid(gate) + over(step)
    on = torch.floor(level / step) * step == level
    return torch.where(on, torch.logsumexp(torch.stack([fine, coarse], dim=-1), dim=-1), fine)


class LocatedLogistic(Head):
    """A mixture of logistics around a prediction, rounded to levels, or to multiples of 2^n only.

    Parameters: the logit of the latter's probability, those of `located`, and n. Scales are at least e^-3 of a level.

    Args:
        levels: L.
        components: K.
        bits: the largest n; 2^n divides ⌊L/2⌋ and L.
    """

    def __init__(self, levels: int, *, components: int = 4, bits: int = 0) -> None:
        super().__init__()
        self.support, self.variables, self.components, self.bits = discrete(levels), 1, components, bits
        self.size = 1 + 3 * components + 2 + 1

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, 1) → (…, 1) nats."""
        return located_log_prob(x[..., 0], *self._parts(params), self.levels)[..., None]

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The mixture."""
        return LocatedConditional(*self._parts(state), self.levels), state

    def _parts(self, params: Tensor) -> tuple[Tensor, ...]:
        params = params.to(torch.promote_types(params.dtype, torch.float32))
        log_weights, means, log_scales = located(params[..., 1:-1], self.components)
        bits = params[..., -1].round().clamp(0, self.bits)
        step = torch.exp(math.log(2) * bits).round()
        return log_weights, means, log_scales.clamp(min=NARROWEST_BIN), params[..., 0], step
