"""The rule of conditions: some variables are drawn from a part of their values, and weighed by its probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from chainrule.engine.choice import Sample, column
from chainrule.heads import Conditional
from chainrule.heads.restricted import Interval, Values, restricted_draw


@dataclass(frozen=True)
class Restrict:
    """Draw some variables given that they lie in a part of their values, the others by another rule.

    Args:
        otherwise: the rule for the others, whose noise serves all.
        parts: variable's place in the generation order → the values it may take.

    Attributes:
        log_mass: place → the log-probability (B,) that the variable had to lie in its part, given those before it.
    """

    otherwise: Sample
    parts: Mapping[int, Values | Interval]
    log_mass: dict[int, Tensor] = field(default_factory=dict)

    def __call__(self, conditional: Conditional, d: int | Tensor) -> Tensor:
        """(B,) values."""
        part = self.parts.get(int(d))
        if part is None:
            return self.otherwise(conditional, d)
        value, self.log_mass[int(d)] = restricted_draw(conditional, part, column(self.otherwise.noise, d))
        return value

    def map(self, fn: Callable[[Tensor], Tensor]) -> Restrict:
        """The rule with the noise of other rows."""
        return Restrict(self.otherwise.map(fn), self.parts, self.log_mass)

    @property
    def weight(self) -> Tensor:
        """The sum of all, (B,) float64 nats."""
        return torch.stack(list(self.log_mass.values())).sum(0)
