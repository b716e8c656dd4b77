"""Numbers in the user's units ↔ numbers of size 1, which is what networks and heads see."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from chainrule.devices import widened
from chainrule.domain import Domain
from chainrule.errors import DomainError

# Of a normal: the interquartile range in standard deviations.
QUARTILES = 1.349


class Units(nn.Module):
    """z = (x - shift) / scale for numbers, codes for categories; the density's Jacobian is 1 / scale.

    Columns of kind "number" stay as they are: their own head and code map them.

    Args:
        domain: with reals, or a table. Until `fit`, shift is 0 and scale 1.
    """

    shift: Tensor
    scale: Tensor
    real: Tensor
    scaled: Tensor
    whole: Tensor
    own_level: Tensor

    def __init__(self, domain: Domain) -> None:
        super().__init__()
        kinds = [column.kind for column in domain.columns] or ["real"] * domain.size
        # A missing category is one more level; -1 where a missing cell is NaN.
        own = [c.levels if c.categories and c.missing else -1 for c in domain.columns] or [-1] * domain.size
        self.register_buffer("shift", torch.zeros(domain.size))
        self.register_buffer("scale", torch.ones(domain.size))
        self.register_buffer(
            "real", torch.tensor([kind in ("real", "number") for kind in kinds]), persistent=False
        )
        scaled = torch.tensor([kind in ("real", "integer") for kind in kinds])
        self.register_buffer("scaled", scaled, persistent=False)
        self.register_buffer("whole", torch.tensor([kind == "integer" for kind in kinds]), persistent=False)
        self.register_buffer("own_level", torch.tensor(own), persistent=False)
        self.levelled = any(column.categories and column.missing for column in domain.columns)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take medians and interquartile ranges of x (N, D), which a single wild value does not move.

        Where more than half of a column is one value its standard deviation is taken, and 1 where all of it is.

        Raises:
            DomainError: on a column whose size single precision cannot hold.
        """
        x = widened(x)
        for d in self.scaled.nonzero().flatten().tolist():
            values = x[:, d][x[:, d].isfinite()]
            if not len(values):
                continue
            # torch.quantile takes no more than 16 million values.
            quartiles = np.quantile(values.cpu().numpy(), [0.25, 0.5, 0.75])
            low, middle, high = torch.from_numpy(quartiles).to(values.device)
            scale = (high - low) / QUARTILES
            if scale <= 0 and values.min() < values.max():  # of equal values it need not come out as 0
                scale = values.std(correction=0)
            if self.whole[d]:  # so that whole numbers stay multiples of 1 / scale
                middle = middle.round()
            self.keep(d, middle, scale)

    @torch.no_grad()
    def keep(self, d: int, shift: Tensor, scale: Tensor) -> None:
        """Set those of variable d; a scale of 0 is read as 1.

        Raises:
            DomainError: if single precision cannot hold them.
        """
        limits = torch.finfo(torch.float32)
        if not (shift.abs() < limits.max and scale < limits.max):
            raise DomainError(
                f"x: variable {d}: expected numbers below {limits.max:.1g}, got {shift + scale:.1g}"
            )
        self.shift[d] = shift
        # In single precision, a scale below what the shift loses would put z far from 0.
        lost = (shift.abs() * limits.eps / 2).clamp(min=limits.tiny)
        self.scale[d] = torch.maximum(scale if scale > 0 else torch.ones_like(scale), lost)

    def standardise(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """(B, D) float64 → (B, D)."""
        z = (widened(x) - widened(self.shift)) / widened(self.scale)
        if not self.levelled:
            return z.to(dtype)
        return torch.where(x.isnan() & (self.own_level >= 0), widened(self.own_level), z).to(dtype)

    def restore(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D) float64."""
        x = widened(z) * widened(self.scale) + widened(self.shift)
        x = torch.where(self.real, x, x.round())
        return torch.where((self.own_level >= 0) & (x == self.own_level), torch.nan, x)

    def log_jacobian(self) -> Tensor:
        """-log scale of each real, 0 of other columns, (D,): log density in the user's units less that of z."""
        return torch.where(self.real, -self.scale.log(), 0.0)
