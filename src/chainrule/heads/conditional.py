"""The distribution of one variable given all before it: what choice rules and coders use."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from chainrule.devices import widened, widest
from chainrule.errors import ChainruleError
from chainrule.heads.kernels import LOG_SCALES


class Conditional(ABC):
    """p(x_d | x_<d) for a batch of B rows.

    `log_prob` and `draw` are what every one has. The rest serves a verb each, and refuses by default: `mode` and
    `tempered` other temperatures, `truncated` top_k and top_p, `between` the rule `Within`, `cdf` conditions on ranges;
    `levels` and `table`, or `masses`, compression.
    """

    @abstractmethod
    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) → (B,) nats."""

    @abstractmethod
    def draw(self, u: Tensor) -> Tensor:
        """The quantile at u in [0, 1): (B,) → (B,). Uniform u, float64, gives an exact draw."""

    def mode(self) -> Tensor:
        """The most probable value (B,)."""
        raise self._refusal("temperature 0", "a conditional with a mode")

    def present(self) -> Conditional:
        """Given that the value is not missing; itself where it cannot be."""
        return self

    def between(self, lowest: Tensor, highest: Tensor) -> Conditional:
        """Given that the value is one of the levels lowest … highest, both (B,)."""
        raise ChainruleError("between: expected a discrete model, got one with numbers")

    def cdf(self, value: Tensor, *, strict: bool = False, upper: bool = False) -> Tensor:
        """P(X ≤ value) of values (B,) float64, in float64; `strict` for P(X < value); `upper` for 1 less that.

        ±∞ are values too. A missing one is neither below nor above any.
        """
        raise self._refusal("condition on a range", "a conditional with a distribution function")

    def nearest(self, value: Tensor) -> Tensor:
        """What it can take nearest to each value (B,) float64, which rounding may have moved off its grid."""
        return value

    def tempered(self, temperature: float) -> Conditional:
        """The distribution ∝ p^(1/temperature)."""
        raise self._refusal("temperature", "a conditional that can be tempered")

    def truncated(self, top_k: int | None, top_p: float | None) -> Conditional:
        """Restricted to the k most probable levels, or to the fewest that hold probability p."""
        if top_k is None and top_p is None:
            return self
        raise ChainruleError("top_k, top_p: expected a discrete model, got one with numbers")

    # --- what a coder asks -----------------------------------------------------------------------

    def missing(self) -> Tensor | None:
        """The probability (B,) float64 that the value is missing, which is NaN; None where it cannot be."""
        return None

    @property
    def levels(self) -> int | None:
        """K, of a conditional that has a `table`; None of numbers, whole ones included."""
        return None

    def table(self) -> Tensor:
        """The probabilities of the levels 0 … K-1: (B, K) float64."""
        raise self._refusal("table", "a conditional of levels")

    def masses(self, edges: Tensor) -> Tensor:
        """The probability of the whole numbers from each edge up to the next: (B, E+1) integers → (B, E) float64."""
        raise self._refusal("compress", "levels, categories or whole numbers")

    def _refusal(self, what: str, expected: str) -> ChainruleError:
        """Which capability was asked for, of which conditional."""
        return ChainruleError(f"{what}: expected {expected}, got {type(self).__name__}")


class CategoricalConditional(Conditional):
    """A discrete conditional.

    Args:
        logits: (B, K) unnormalised log-probabilities; -inf for a level that cannot be.
        gap: whether the last level is a missing value.
        other: the level of values that training never saw, if there is one: it has a probability, and is never chosen.
    """

    def __init__(self, logits: Tensor, gap: bool = False, other: int | None = None) -> None:
        self.logits, self.gap, self.other = logits, gap, other

    @property
    def levels(self) -> int:
        """K."""
        return self.logits.shape[-1]

    def table(self) -> Tensor:
        """(B, K) float64."""
        return torch.softmax(self.logits, dim=-1, dtype=widest(self.logits.device))

    def masses(self, edges: Tensor) -> Tensor:
        """The probability of the levels from each edge up to the next: (B, E+1) in 0 … K → (B, E) float64."""
        below = F.pad(self.table().cumsum(-1), (1, 0))
        return below.gather(-1, edges).diff(dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) levels → (B,) nats."""
        return torch.log_softmax(self.logits, dim=-1).gather(-1, value[..., None].long())[..., 0]

    def draw(self, u: Tensor) -> Tensor:
        """The first level whose cumulative probability exceeds u, in float64: (B,) → (B,) integers."""
        return draw_level(self._known(), u)

    def mode(self) -> Tensor:
        """The most probable level (B,)."""
        return self._known().argmax(-1)

    def present(self) -> CategoricalConditional:
        """Without the level of a missing value."""
        if not self.gap and self.other is None:
            return self
        logits = self._known()
        return CategoricalConditional(logits[..., :-1] if self.gap else logits)

    def between(self, lowest: Tensor, highest: Tensor) -> CategoricalConditional:
        """Levels outside get -inf."""
        logits = self.logits
        level = torch.arange(logits.shape[-1], device=logits.device)
        outside = (level < lowest[..., None]) | (level > highest[..., None])
        return self._replaced(logits.masked_fill(outside, -math.inf))

    def tempered(self, temperature: float) -> CategoricalConditional:
        """Logits divided by the temperature, in float64: single precision has no room for extreme ones."""
        return self._replaced(widened(self.logits) / temperature)

    def truncated(self, top_k: int | None, top_p: float | None) -> CategoricalConditional:
        """Levels outside the top k, or outside the smallest set of probability p, get -inf."""
        logits = self._known()
        if top_k is not None and top_k < logits.shape[-1]:
            floor = logits.topk(top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < floor, -math.inf)
        if top_p is not None:
            ranked, order = torch.softmax(logits, dim=-1, dtype=widest(logits.device)).sort(
                dim=-1, descending=True
            )
            # A level goes when those above it already hold p: the most probable one always stays.
            outside = ranked.cumsum(-1) - ranked >= top_p
            logits = logits.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), -math.inf)
        return self._replaced(logits)

    def _known(self) -> Tensor:
        """The logits, -inf where a value is none that training saw."""
        if self.other is None:
            return self.logits
        level = torch.arange(self.logits.shape[-1], device=self.logits.device)
        return self.logits.masked_fill(level == self.other, -math.inf)

    def _replaced(self, logits: Tensor) -> CategoricalConditional:
        return CategoricalConditional(logits, self.gap, self.other)


def draw_level(logits: Tensor, u: Tensor) -> Tensor:
    """The draw of `CategoricalConditional`: (…, K), (…,) → (…,). A mode may put a kernel in its place."""
    if has_torch_function_unary(logits):
        return handle_torch_function(draw_level, (logits,), logits, u)
    total = torch.softmax(logits, dim=-1, dtype=widest(logits.device)).cumsum(-1)
    # Divided by the last sum: the last possible level then reaches exactly 1, and u < 1 never passes it.
    level = torch.searchsorted(total / total[..., -1:], u[..., None].contiguous(), right=True)[..., 0]
    return level.clamp(max=logits.shape[-1] - 1)  # NaN is refused by who asked, but no level lies outside


class BernoulliConditional(CategoricalConditional):
    """A bit: p(1) = σ(logit). A `CategoricalConditional` that draws without making itself.

    Args:
        logit: (B,).
    """

    def __init__(self, logit: Tensor) -> None:
        self.logit, self.gap, self.other = logit, False, None

    @property
    def logits(self) -> Tensor:  # type: ignore[override]
        """(B, 2): 0 and the logit."""
        return torch.stack([torch.zeros_like(self.logit), self.logit], dim=-1)

    @property
    def levels(self) -> int:
        """2."""
        return 2

    def table(self) -> Tensor:
        """(B, 2) float64; also where the logit is infinite."""
        logit = widened(self.logit)
        return torch.sigmoid(torch.stack([-logit, logit], dim=-1))

    def draw(self, u: Tensor) -> Tensor:
        """1 where u is above p(0), in float64: (B,) → (B,) integers."""
        return (u >= torch.sigmoid(-widened(self.logit))).long()

    def tempered(self, temperature: float) -> CategoricalConditional:
        """The logit divided by the temperature."""
        return BernoulliConditional(widened(self.logit) / temperature)


class Normal(Conditional):
    """N(mean, scale²), both (B,)."""

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        self.mean, self.scale = mean, scale

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) floats → (B,) nats."""
        z = (value - self.mean) / self.scale
        return -0.5 * z.square() - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def draw(self, u: Tensor) -> Tensor:
        """mean + scale·Φ⁻¹(u): (B,) → (B,)."""
        tiny = torch.finfo(widest(u.device)).tiny
        z = torch.special.ndtri(widened(u).clamp(min=tiny))  # u = 0 would be -inf
        return self.mean + self.scale * z.to(self.mean.dtype)

    def cdf(self, value: Tensor, *, strict: bool = False, upper: bool = False) -> Tensor:
        """Φ((value - mean) / scale)."""
        z = (value - widened(self.mean)) / widened(self.scale)
        return torch.special.ndtr(-z if upper else z)

    def mode(self) -> Tensor:
        """The mean (B,)."""
        return self.mean

    def tempered(self, temperature: float) -> Normal:
        """The variance times the temperature, as far as scales go."""
        return Normal(self.mean, (self.scale * math.sqrt(temperature)).clamp(max=math.exp(LOG_SCALES[1])))
