"""Levels of a sound as the amplitudes that they stand for."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chainrule.layers.encoding import Encoding


class Amplitudes(Encoding):
    """Levels 0 … L-1 by a table: (…, 1) → (…, 1).

    Args:
        table: the amplitude of each level, rising (L,).
    """

    table: Tensor

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("table", torch.tensor(table, dtype=torch.get_default_dtype()), persistent=False)

    def forward(self, sites: Tensor) -> Tensor:
        """(…, 1) → (…, 1)."""
        return self.table[sites.long()]
