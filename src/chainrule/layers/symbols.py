"""Symbols as learned vectors: where they enter a net, and where the scores of the next one leave it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INITIAL = 0.02  # standard deviation of the vectors


class Lookup(nn.Module):
    """A learned vector for each symbol 0 … K-1, read from a table: nothing is multiplied.

    Args:
        levels: K.
        channels: C.
    """

    def __init__(self, levels: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(levels, channels) * INITIAL)

    def forward(self, sites: Tensor) -> Tensor:
        """(…, 1) → (…, C). What is no symbol, such as -1 where nothing is drawn yet, takes the nearest one's."""
        return F.embedding(sites[..., 0].long().clamp(0, len(self.weight) - 1), self.weight)


class Symbols(nn.Module):
    """The strict input of symbols: position t gets the vector of x_(t-1), position 0 that of the start.

    Args:
        levels: K symbols.
        channels: C.
        start: the symbol that stands before the first one, such as the begin-of-text token of a published model; -1
            for a learned vector of its own.
    """

    def __init__(self, levels: int, channels: int, *, start: int = -1) -> None:
        super().__init__()
        self.encoder, self.symbol = Lookup(levels, channels), start
        self.start = nn.Parameter(torch.randn(channels) * INITIAL) if start < 0 else None

    def forward(self, sites: Tensor) -> Tensor:
        """(B, T, 1) → (B, T, C)."""
        code = self.encoder(sites)[:, :-1]
        return torch.cat([self._first().expand(len(sites), 1, -1), code], dim=1)

    def step(self, prev: Tensor, t: Tensor) -> Tensor:
        """The site before t (B, 1) → (B, C); at t = 0 `prev` is not read."""
        return torch.where(t > 0, self.encoder(prev), self._first())

    def _first(self) -> Tensor:
        """(C,)."""
        return self.encoder.weight[self.symbol] if self.start is None else self.start


class Scores(nn.Module):
    """A logit for each symbol: its vector times the features, (…, C) → (…, K).

    Args:
        levels: K.
        channels: C.
        tied: the input whose vectors these are; None for vectors of their own.

    References:
        Press, Wolf (2017), "Using the output embedding to improve language models",
        https://arxiv.org/abs/1608.05859 (tied)
    """

    def __init__(self, levels: int, channels: int, tied: Symbols | None = None) -> None:
        super().__init__()
        self._tied = (tied,)  # in a tuple: the weight is saved once, where it belongs
        if tied is None:
            self.weight = nn.Parameter(torch.randn(levels, channels) * INITIAL)

    def forward(self, h: Tensor) -> Tensor:
        """(…, C) → (…, K)."""
        (tied,) = self._tied
        return F.linear(h, self.weight if tied is None else tied.encoder.weight)
