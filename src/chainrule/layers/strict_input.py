"""The one strict module of a network: what it puts at position t comes from x_<t.

Every layer after it may read its own position, so no mask type travels through the net.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.encoding import Encoding


class StrictInput(nn.Module):
    """Encode each site and delay by one: position t gets the code of site t-1, position 0 gets zeros.

    Args:
        encoder: maps the values of a site (…, V) to features (…, C).
    """

    def __init__(self, encoder: Encoding) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, sites: Tensor) -> Tensor:
        """(B, T, V) → (B, T, C)."""
        return F.pad(self.encoder(sites)[:, :-1], (0, 0, 1, 0))

    def step(self, prev: Tensor, t: Tensor) -> Tensor:
        """The site before t (B, V) → (B, C); at t = 0 `prev` is not read."""
        code = self.encoder.at(prev, (t - 1).clamp(min=0))
        return torch.where(t > 0, code, torch.zeros_like(code))
