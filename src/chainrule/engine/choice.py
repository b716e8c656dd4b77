"""Rules that choose a variable's value from its conditional: the one place where verbs differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from numbers import Real
from typing import Any, Protocol

import torch
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.heads import Conditional

COLDEST = 1e-6  # temperatures below are read as 0: single precision cannot distinguish them from the mode


class Choice(Protocol):
    """A rule. `d` is the variable's place in the generation order, a number or a 0-d integer tensor."""

    def __call__(self, conditional: Conditional, d: int | Tensor) -> Tensor:
        """The values (B,) of variable d."""

    def map(self, fn: Callable[[Tensor], Tensor]) -> Choice:
        """The same rule for other rows or variables: `fn` picks them from each of its tables (B, D)."""


@dataclass(frozen=True)
class Sample:
    """Draw from the conditional with the noise of (row, variable).

    Args:
        noise: (B, D) uniform in [0, 1).
        temperature: of the distribution ∝ p^(1/temperature); 0 is the most probable value.
        top_k: keep the k most probable levels only.
        top_p: keep the fewest levels that hold probability p.
        present: whether to draw given that the value is not missing.
    """

    noise: Tensor
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    present: bool = False

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if self.top_k is not None and self.top_k < 1:
            raise ChainruleError(f"top_k: expected an integer ≥ 1, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ChainruleError(f"top_p: expected a number in (0, 1], got {self.top_p}")

    def __call__(self, conditional: Conditional, d: int | Tensor) -> Tensor:
        """(B,) values."""
        if self.present:
            conditional = conditional.present()
        if self.temperature < COLDEST:
            return conditional.mode()
        if self.temperature != 1:
            conditional = conditional.tempered(self.temperature)
        if self.top_k is not None or self.top_p is not None:
            conditional = conditional.truncated(self.top_k, self.top_p)
        return conditional.draw(column(self.noise, d))

    def map(self, fn: Callable[[Tensor], Tensor]) -> Sample:
        """The rule with the noise of other rows or variables."""
        return replace(self, noise=fn(self.noise))


@dataclass(frozen=True)
class Greedy:
    """The most probable value, each given those before it."""

    def __call__(self, conditional: Conditional, d: int | Tensor) -> Tensor:
        """(B,) values."""
        return conditional.mode()

    def map(self, fn: Callable[[Tensor], Tensor]) -> Greedy:
        """The rule itself: it has no table."""
        return self


@dataclass(frozen=True)
class Within:
    """The most probable of the levels in an interval, each given those before it: PixelDefend's rule.

    Args:
        lowest, highest: (B, D) in generation order; the interval holds both.
    """

    lowest: Tensor
    highest: Tensor

    def __call__(self, conditional: Conditional, d: int | Tensor) -> Tensor:
        """(B,) values."""
        return conditional.between(column(self.lowest, d), column(self.highest, d)).mode()

    def map(self, fn: Callable[[Tensor], Tensor]) -> Within:
        """The rule with the intervals of other rows or variables."""
        return Within(fn(self.lowest), fn(self.highest))


@dataclass(frozen=True)
class Known:
    """Take what is known, leave the rest to another rule.

    Args:
        values: (B, D) in generation order; read only where known.
        known: (B, D) booleans.
        otherwise: the rule for the rest.
    """

    values: Tensor
    known: Tensor
    otherwise: Choice

    def __call__(self, conditional: Conditional, d: int | Tensor) -> Tensor:
        """(B,) values."""
        drawn = self.otherwise(conditional, d).to(self.values.dtype)
        return torch.where(column(self.known, d), column(self.values, d), drawn)

    def map(self, fn: Callable[[Tensor], Tensor]) -> Known:
        """The rule with the known values of other rows or variables."""
        return Known(fn(self.values), fn(self.known), self.otherwise.map(fn))


def check_temperature(temperature: Any) -> None:
    """Refuse anything but a finite number ≥ 0.

    Raises:
        ChainruleError: which says so.
    """
    if not isinstance(temperature, Real) or not (isfinite(temperature) and temperature >= 0):
        raise ChainruleError(f"temperature: expected a finite number ≥ 0, got {temperature!r}")


def column(values: Tensor, d: int | Tensor) -> Tensor:
    """Column d of (B, D), without a look at d if it is a tensor."""
    return values[:, d] if isinstance(d, int) else values.index_select(1, d.reshape(1))[:, 0]


def tables(rule: Choice) -> list[Tensor]:
    """The tables (B, D) of a rule, in the order in which it maps them."""
    found = []

    def keep(table: Tensor) -> Tensor:
        found.append(table)
        return table

    rule.map(keep)
    return found


def choose_particle(log_weights: Tensor, noise: Tensor) -> Tensor:
    """One of M candidates with probability ∝ e^log_weights, by the Gumbel trick: (…, M), uniform (…, M) → (…, 1)."""
    gumbel = -torch.log(-torch.log(noise.clamp(1e-300, 1 - 1e-16)))
    return (log_weights + gumbel).argmax(-1, keepdim=True)
