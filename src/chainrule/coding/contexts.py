"""A model's bytes mixed with counts of what followed the last one to six bytes in the file so far."""

from __future__ import annotations

import torch
from torch import Tensor

LONGEST = 6  # bytes of a context; the shortest has none
PLACES = 16  # bits: contexts that counts are kept of, of each length
DISCOUNT = 0.6  # of every count above 0, for what the longer context has not seen
MEMORY = 256.0  # symbols that a weight is the mean of
PRIOR = 8.0  # symbols that the equal weights at the beginning stand for
FLOOR = 0.05  # symbols that a weight cannot fall below
EVEN = 1 / 64  # of q before any count: every byte may come
MOST = 4096  # of a count, before all of its context are halved
SURE = 1e-9  # the least share of the model alone, and of the mixture
STIR, WORD = 0x2F0B4447, 0xFFFFFFFF  # an odd number, and 32 bits


class Contexts:
    """a p + (1 - a) Σ_n w_n q_n: the model's p(x | before), and counts of what followed the last n bytes.

    q_0 falls back on p, a little of it spread evenly, and q_n takes a discount δ off each count c above 0 of what
    followed the same n bytes, and gives it to q_{n-1}: q_n = (max(c - δ, 0) + δ Σ[c > 0] q_{n-1}) / Σ c. Where the n
    bytes are new q_n = q_{n-1}. The weights w are the mean shares that each had in the last symbols seen under as long
    a known context. Counts and weights are shared by the rows of a block; a, which begins as ½, is the model's share
    if one of both alone made the row, by Bayes's rule. So a row never costs more than 1 bit above what the model takes.

    Args:
        levels: K.
        rows: B.
        symbols: how many all rows have; at most this many contexts are kept apart, and at most 2^16.

    References:
        Interpolated discounts: Ney, Essen, Kneser (1994), "On structuring probabilistic dependences in stochastic
        language modelling". Contexts of several lengths for compression: Cleary, Witten (1984), "Data compression
        using adaptive coding and partial string matching".
    """

    @staticmethod
    def held(levels: int, symbols: int) -> int:
        """Bytes of the counts."""
        return 2 * levels * (LONGEST + 1) << min(PLACES, symbols.bit_length())

    def __init__(self, levels: int, rows: int, symbols: int) -> None:
        self._places = 1 << min(PLACES, symbols.bit_length())
        self._counts = [torch.zeros(self._places, levels, dtype=torch.int16) for _ in range(LONGEST + 1)]
        self._last = torch.zeros(rows, LONGEST, dtype=torch.int64)  # the latest first
        experts = LONGEST + 2
        self._weights = torch.full((experts, experts), PRIOR / experts, dtype=torch.float64)
        self._alone = torch.full((rows, 1), 0.5, dtype=torch.float64)

    def mix(self, probabilities: Tensor) -> Tensor:
        """(B, K) of the model → (B, K)."""
        q = torch.lerp(probabilities, torch.full_like(probabilities, 1 / probabilities.shape[1]), EVEN)
        self._each, self._at = [probabilities], self._contexts()
        depth = torch.zeros(len(q), dtype=torch.int64)
        for counts, at in zip(self._counts, self._at, strict=True):
            c = counts[at].double()
            total, seen = c.sum(1, keepdim=True), (c > 0).sum(1, keepdim=True)
            known = total > 0
            q = torch.where(
                known, ((c - DISCOUNT).clamp(min=0) + DISCOUNT * seen * q) / total.clamp(min=1), q
            )
            depth += known[:, 0]
            self._each.append(q)
        self._depth = depth
        weights = self._weights[depth] + FLOOR
        self._share = weights / weights.sum(1, keepdim=True)
        self._mixture = torch.zeros_like(q)
        for share, each in zip(self._share.split(1, dim=1), self._each, strict=True):
            self._mixture += share * each
        return torch.lerp(self._mixture, probabilities, self._alone)

    def see(self, symbols: Tensor, rows: Tensor) -> None:
        """Learn from what was coded with the last mixture.

        Args:
            symbols: (B,).
            rows: (B,) booleans, which have one.
        """
        at = symbols[:, None]
        own = self._share * torch.cat([each.gather(1, at) for each in self._each], dim=1)
        mixture = self._mixture.gather(1, at)
        shares, depth = (own / mixture)[rows], self._depth[rows]
        self._weights.index_add_(0, depth, shares)
        self._weights *= (MEMORY / self._weights.sum(1, keepdim=True)).clamp(max=1)
        alone = self._alone * self._each[0].gather(1, at)
        self._alone = (alone / (alone + (1 - self._alone) * mixture)).clamp(SURE, 1 - SURE)
        one = torch.ones(int(rows.sum()), dtype=torch.int16)
        for counts, place in zip(self._counts, self._at, strict=True):
            counts.index_put_((place[rows], symbols[rows]), one, accumulate=True)
            full = place[rows][counts[place[rows], symbols[rows]] > MOST]
            if len(full):
                counts[full] = (counts[full] + 1) // 2
        self._last = torch.cat([at, self._last[:, :-1]], dim=1)

    def _contexts(self) -> list[Tensor]:
        """The place (B,) of each row's last 0, 1, 2, … bytes."""
        code = torch.zeros(len(self._last), dtype=torch.int64)
        places = [code]
        for symbol in self._last.unbind(1):
            code = (code + symbol + 1) * STIR & WORD
            places.append((code >> PLACES) % self._places)
        return places
