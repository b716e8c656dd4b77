"""A conditional given that its value is one of a few, or lies in an interval: its probability, and draws of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.heads.conditional import CategoricalConditional, Conditional

SIGN = 1 << 63


class Values(NamedTuple):
    """A few values (M,), as the head has them."""

    values: Tensor


class Interval(NamedTuple):
    """From `lowest` to `highest`, as the head has them, 0-d float64; `above`, `below`: whether an end is left out."""

    lowest: Tensor
    highest: Tensor
    above: bool
    below: bool


def restricted_draw(conditional: Conditional, part: Values | Interval, u: Tensor) -> tuple[Tensor, Tensor]:
    """A value of the part with uniform noise u (B,), and the log-probability of the part, (B,) float64 nats.

    Of values without probabilities of their own, in a density, both are relative to it: each weighs as much as the
    density there. Where the part is impossible the value is one of it all the same.
    """
    if isinstance(part, Values):
        logits = torch.stack([conditional.log_prob(value.expand_as(u)) for value in part.values], -1).double()
        mass = logits.logsumexp(-1)
        shares = torch.where(mass.isfinite()[:, None], logits, 0.0)
        return part.values[CategoricalConditional(shares).draw(u)], mass
    return _draw_between(conditional, part, u)


def _draw_between(conditional: Conditional, part: Interval, u: Tensor) -> tuple[Tensor, Tensor]:
    """By bisection of the distribution function, to the last bit; in the upper half that of the other tail."""
    lowest, highest = (end.double().expand_as(u) for end in (part.lowest, part.highest))
    upper = conditional.cdf(lowest, strict=not part.above) > 0.5

    def place(value: Tensor, strict: bool) -> Tensor:
        """P(X ≤ value) less a constant, without loss of digits in either tail."""
        below = value if upper.all() else conditional.cdf(value, strict=strict)
        return (
            torch.where(upper, -conditional.cdf(value, strict=strict, upper=True), below)
            if upper.any()
            else below
        )

    start, end = place(lowest, not part.above), place(highest, part.below)
    mass = (end - start).clamp(min=0)
    target = start + u.double() * mass
    # The least value of which P(X ≤ value) is above the target lies in (low, high], as whole numbers in order.
    low, high = _rank(lowest) - 1, _rank(highest)
    for _ in range(64):
        middle = (low & high) + ((low ^ high) >> 1)
        enough = place(_value(middle), False) > target
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return conditional.nearest(_value(high)), mass.log()


def _rank(value: Tensor) -> Tensor:
    """float64 → int64 in the same order, neighbours one apart."""
    bits = value.view(torch.int64)
    return torch.where(bits < 0, -(bits & (SIGN - 1)), bits)


def _value(rank: Tensor) -> Tensor:
    """The inverse."""
    value = rank.abs().view(torch.float64)
    return torch.where(rank < 0, -value, value)
