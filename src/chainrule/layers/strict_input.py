"""The one strict module of a network: what it puts at position t comes from x_<t.

Every layer behind it may read its own position, so no mask type travels through the net.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Scalar(nn.Module):
    """Values as numbers: (…, V) → (…, V), divided by `scale`."""

    scale: Tensor

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """(…, V) → (…, V)."""
        return values.to(self.scale.dtype) / self.scale


class OneHot(nn.Module):
    """Levels as unit vectors, with the level as a number in [0, 1] beside them: (…, V) → (…, V·(levels + 1)).

    The number tells a net at its first step that neighbouring levels are alike; the unit vectors let it forget that.
    """

    scale: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.register_buffer("scale", torch.tensor(float(max(levels - 1, 1))), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """(…, V) → (…, V·(levels + 1))."""
        # Compared, not F.one_hot: that reads the values on the host.
        levels = torch.arange(self.levels, device=values.device)
        units = (values[..., None] == levels).to(self.scale.dtype)
        number = (values.to(self.scale.dtype) / self.scale)[..., None]
        return torch.cat([units, number], dim=-1).flatten(-2)


class StrictInput(nn.Module):
    """Encode each site and delay by one: position t gets the code of site t-1, position 0 gets zeros.

    Args:
        encoder: maps the values of a site (…, V) to features (…, C).
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, sites: Tensor) -> Tensor:
        """(B, T, V) → (B, T, C)."""
        return F.pad(self.encoder(sites)[:, :-1], (0, 0, 1, 0))

    def step(self, prev: Tensor, t: Tensor) -> Tensor:
        """The site before t (B, V) → (B, C); at t = 0 `prev` is not read."""
        code = self.encoder(prev)
        return torch.where(t > 0, code, torch.zeros_like(code))
