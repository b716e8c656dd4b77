"""Rows of numbers ↔ what a flow sees of them: number columns as scores, other reals in units of size 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule.devices import wide_sum, widest
from chainrule.domain import Domain
from chainrule.heads.number import BEYOND
from chainrule.layers.encoding import LOGISTIC
from chainrule.layers.numbers.fit_curve import fit_curve
from chainrule.layers.numbers.numbers import Numbers
from chainrule.models.parts.standardise import Units


class Scores(Units):
    """`Units`, in which a number column is √3/π T(x), T its map: of deviation 1 where the column is as in training.

    Args:
        domain: of reals, or a table of columns of kind "real" and "number", the latter with densities alone.
    """

    which: Tensor

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        places = [d for d, column in enumerate(domain.columns) if column.kind == "number"]
        self.numbers = Numbers([domain.columns[d] for d in places]) if places else None
        self.register_buffer("which", torch.tensor(places, dtype=torch.int64), persistent=False)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Units of reals, and the maps of number columns, from x (N, D)."""
        super().fit(x)
        if self.numbers is not None and len(x):
            for place, column in enumerate(self.numbers.columns):
                values = x[:, int(self.which[place])].double()
                self.numbers.map.keep(place, fit_curve(values, column))

    def standardise(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """(B, D) float64 → (B, D)."""
        z = super().standardise(x, widest(x.device))
        if self.numbers is not None:
            reading = self.numbers.read(x.index_select(1, self.which), self.numbers.order)
            # Beyond an end there is no score; there, the middle stands in.
            z = z.index_copy(1, self.which, LOGISTIC * torch.where(reading.inside, reading.z, 0.0))
        return z.to(dtype)

    def restore(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D) float64, within the ends of number columns."""
        x = super().restore(z)
        if self.numbers is None:
            return x
        own = z.double().index_select(1, self.which) / LOGISTIC
        inside = self.numbers.map.inverse(own, self.numbers.order)
        density = torch.zeros_like(inside, dtype=torch.int64)
        return x.index_copy(1, self.which, self.numbers.snap(inside, self.numbers.order, density))

    def volume(self, x: Tensor) -> Tensor:
        """Σ log ∂z/∂x of rows (B, D): (B,) float64. Beyond an end a small density, which falls off, is in its place."""
        total = wide_sum(self.log_jacobian(), 0)
        if self.numbers is None:
            return total.expand(len(x))
        reading = self.numbers.read(x.index_select(1, self.which), self.numbers.order)
        beyond = math.log(BEYOND) + reading.outside
        terms = torch.where(reading.inside, math.log(LOGISTIC) + reading.log_slope, beyond)
        return total + terms.sum(1)
