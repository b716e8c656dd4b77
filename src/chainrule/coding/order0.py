"""Format 1: a model's bytes mixed with the counts of bytes in the file so far."""

from __future__ import annotations

import torch
from torch import Tensor

SHARE, AFTER = (
    1 / 64,
    16,
)  # the adaptive model's weight beforehand, and after how many symbols half of it is learned
SPREAD = 1 / 16  # the count that every symbol has beforehand


class Mixed:
    """(1 - w) p(x | before) + w n(x) / n: counts n of the symbols seen, shared by the rows of a block.

    The weight w is the mean share that the counts had in the symbols seen (one step of expectation maximisation a
    symbol): on texts like those the model was trained on it falls towards 0, on other files it grows towards 1.

    Args:
        levels: K.
    """

    def __init__(self, levels: int) -> None:
        self._counts = torch.full((levels,), SPREAD, dtype=torch.float64)
        self._share = torch.tensor(SHARE * AFTER, dtype=torch.float64)
        self._seen = float(AFTER)

    def mix(self, probabilities: Tensor) -> Tensor:
        """(B, K) of the model → (B, K)."""
        self._given = probabilities
        weight = self._share / self._seen
        return torch.lerp(probabilities, self._counts / self._counts.sum(), weight)

    def see(self, symbols: Tensor, rows: Tensor) -> None:
        """Learn from what was coded with the last mixture.

        Args:
            symbols: (B,).
            rows: (B,) booleans, which have one.
        """
        probabilities, symbols = self._given[rows], symbols[rows]
        weight, counted = self._share / self._seen, (self._counts / self._counts.sum())[symbols]
        own = weight * counted
        predicted = probabilities.gather(1, symbols[:, None])[:, 0]
        self._share += (own / (own + (1 - weight) * predicted)).sum()
        self._seen += len(symbols)
        self._counts += torch.bincount(symbols, minlength=len(self._counts))
