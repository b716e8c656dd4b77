"""Levels around a prediction: the net says how they are spread there, in units of the prediction's usual error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

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
        below = torch.zeros_like(params[..., : levels - 1])
        for weight, mean, steep in zip(*(x.split(1, -1) for x in (weights, means, inverse)), strict=True):
            below = below + weight * torch.sigmoid((self.edges - mean) * steep)
        masses = F.pad(F.pad(below, (0, 1), value=1.0), (1, 0)).diff(dim=-1).clamp(min=0)
        return params[..., :levels] + torch.log(masses + EVEN / levels)


class Spread(NamedTuple):
    """How a sample is spread around a prediction.

    Attributes:
        log_weights, means, log_scales: (…, K); means from level ⌊L/2⌋.
        gate: (…,) the logit of the probability that it is a multiple of `step`.
        step: (…,) a power of 2 that divides ⌊L/2⌋ and L.
    """

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor
    gate: Tensor
    step: Tensor

    def log_prob(self, level: Tensor, levels: int) -> Tensor:
        """(…,) of 0 … L-1 → (…,) nats."""
        place = (level - levels // 2).to(self.means.dtype)[..., None] - self.means
        inverse = torch.exp(-self.log_scales)

        def over(width: Tensor) -> Tensor:
            first, last = (level < width)[..., None], (level >= levels - width)[..., None]
            masses = bin_log_masses(place * inverse, width[..., None] / 2 * inverse, first, last)
            return torch.logsumexp(self.log_weights + masses, dim=-1)

        fine = F.logsigmoid(-self.gate) + over(torch.ones_like(self.step))
        coarse = F.logsigmoid(self.gate) + over(self.step)
        on = torch.floor(level / self.step) * self.step == level
        return torch.where(on, torch.logsumexp(torch.stack([fine, coarse], dim=-1), dim=-1), fine)


class LocatedConditional(CategoricalConditional):
    """A mixture of logistics, integrated over the levels' bins; and the same over those of multiples of a step only.

    Args:
        spread: of a batch (B,).
        levels: L.
    """

    def __init__(self, spread: Spread, levels: int) -> None:
        self.spread, self.count, self.gap, self.other = spread, levels, False, None

    @property
    def levels(self) -> int:
        """L."""
        return self.count

    @property
    def logits(self) -> Tensor:  # type: ignore[override]
        """(B, L) nats, normalised."""
        level = torch.arange(self.count, device=self.spread.means.device)
        each = Spread(*(part[:, None] for part in self.spread))
        return each.log_prob(level.expand(len(each.gate), -1), self.count)

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) levels → (B,) nats."""
        return self.spread.log_prob(value, self.count)

    def masses(self, edges: Tensor) -> Tensor:
        """The probability of the levels from each edge up to the next: (B, E+1) in 0 … L → (B, E) float64."""
        log_weights, means, log_scales, gate, step = self.spread

        def over(width: Tensor) -> Tensor:
            width = widened(width)[:, None]
            first = torch.ceil(edges / width) * width  # the first of its multiples at or above the edge
            places = first - width / 2 - self.count // 2
            places = places.masked_fill(first <= 0, -math.inf).masked_fill(first >= self.count, math.inf)
            return logistic_masses(places, log_weights, means, log_scales)

        chosen = torch.sigmoid(widened(gate))[:, None]
        return (1 - chosen) * over(torch.ones_like(step)) + chosen * over(step)

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,) integers: u chooses bins, what is left of it a component and a real there, which is rounded."""
        log_weights, means, log_scales, gate, step = self.spread
        chosen = torch.sigmoid(widened(gate))
        coarse = u < chosen
        rest = torch.where(coarse, u / chosen, (u - chosen) / (1 - chosen).clamp(min=1e-300)).clamp(0, 1)
        real = MixtureConditional(log_weights, means, log_scales, "logistic").draw(rest)
        width = torch.where(coarse, step, 1.0)
        level = torch.round((real + self.count // 2) / width) * width
        return torch.minimum(level.clamp(min=0), self.count - width).long()


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
        return self._spread(params).log_prob(x[..., 0], self.levels)[..., None]

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The mixture."""
        return LocatedConditional(self._spread(state), self.levels), state

    def _spread(self, params: Tensor) -> Spread:
        log_weights, means, log_scales = located(params[..., 1:-1], self.components)
        bits = params[..., -1].round().clamp(0, self.bits)
        step = torch.exp(math.log(2) * bits).round()
        return Spread(log_weights, means, log_scales.clamp(min=NARROWEST_BIN), params[..., 0], step)
