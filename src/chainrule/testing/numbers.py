"""Sums and integrals over the values of one number, whatever its support."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.heads.head import Head
from chainrule.heads.support import Support
from chainrule.testing.subject import LawNotTried

POINTS = 800_001  # of a density
WHOLE = 20_000  # multiples of a step, to either side of 0
FAR = {"line": 14.0, "half": 350.0, "interval": 33.0}  # how far the even grid of a density reaches
HEAVY = 1e-3  # mass beyond the last value summed, more than which is no sum any more
AT_ONCE = 8192  # values: what a processor keeps at hand


@dataclass(frozen=True)
class Numbers:
    """The values of a number in rising order, and its points.

    Attributes:
        values: (n,) float64.
        weights: (n,): 1 of values with a probability; of a density how much of the axis each stands for.
        open: whether there is more below the first value, and above the last.
        points: (p,) values with a probability besides.
    """

    values: Tensor
    weights: Tensor
    open: tuple[bool, bool]
    points: Tensor

    def masses(self, head: Head, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Under a row of parameters (P,): the masses of values (n,) and points (p,), and of what lies beyond (2,).

        Raises:
            LawNotTried: if the tails fall so slowly that what lies beyond cannot be bounded.
        """
        values = torch.cat([self.values, self.points])
        parts = values[:, None].split(AT_ONCE)
        p = torch.cat([head.log_prob(params.expand(len(part), -1), part)[:, 0].exp() for part in parts])
        inner, points = p.split([len(self.values), len(self.points)])
        inner = inner * self.weights
        ends = (inner.flip(0), inner)
        beyond = torch.stack(
            [_beyond(m) if more else p.new_zeros(()) for m, more in zip(ends, self.open, strict=True)]
        )
        if (beyond > HEAVY).any():
            raise LawNotTried(f"the tails hold {beyond.sum():.2g} beyond the values that can be summed")
        return inner, points, beyond


def numbers(support: Support) -> Numbers:
    """The values that sums and integrals over a support are made of.

    Densities are integrated by the trapezoid rule after a change of variables in which their tails fall geometrically:
    x = sinh t on ℝ, lowest + e^t on a half line, lowest + width · σ(t) on an interval.
    """
    points, low, high = torch.tensor(support.points, dtype=torch.float64), support.lowest, support.highest
    bounded = (math.isfinite(low), math.isfinite(high))
    if support.step is not None:
        first = round(low / support.step) if bounded[0] else -WHOLE
        last = round(high / support.step) if bounded[1] else max(first, 0) + WHOLE
        values = torch.arange(first, last + 1, dtype=torch.float64) * support.step
        return Numbers(values, torch.ones_like(values), (not bounded[0], not bounded[1]), points)
    kind = ("line", "half", "interval")[sum(bounded)]
    t = torch.linspace(-FAR[kind], FAR[kind], POINTS, dtype=torch.float64)
    dt = t[1] - t[0]
    if kind == "line":
        values, weights = t.sinh(), t.cosh() * dt
    elif kind == "interval":
        values, weights = low + (high - low) * t.sigmoid(), (high - low) * t.sigmoid() * (-t).sigmoid() * dt
    else:
        values = low + t.exp() if bounded[0] else high - (-t).exp()
        weights = (t if bounded[0] else -t).exp() * dt
    return Numbers(values, weights, (True, True), points)


def _beyond(masses: Tensor) -> Tensor:
    """The sum of what follows masses (n,) if they fall on as over their last hundredth: a geometric series."""
    span = len(masses) // 100
    last, before = masses[-1], masses[-1 - span]
    if last == 0:
        return last
    ratio = (last / before) ** (1 / span)
    return last * ratio / (1 - ratio) if ratio < 1 else torch.full_like(last, math.inf)
