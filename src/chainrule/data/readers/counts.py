"""The texts of a column, and how often each occurs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FIRST, DIFFERENT = (
    10_000,
    0.9,
)  # the share of the first cells that differ where counting costs more than it saves


@dataclass(frozen=True, eq=False)
class Counts:
    """Texts (k,) in the order of their first cells, and how often each occurs (k,).

    What is asked of all cells by patterns is asked of each text once. Where nearly all cells differ, these are the
    cells themselves, with a count of one each.
    """

    texts: pa.Array
    counts: np.ndarray

    @classmethod
    def of(cls, cells: pa.Array) -> Counts:
        """Count the cells (N,), none of which is null."""
        some = cells[:FIRST]
        if len(some) == FIRST and pc.count_distinct(some).as_py() > DIFFERENT * FIRST:
            return cls(cells, np.ones(len(cells), np.int64))
        pairs = cells.value_counts()
        return cls(pairs.field("values"), pairs.field("counts").to_numpy())

    def share(self, pattern: str) -> float:
        """The share of cells in which a pattern is found; 0 of none."""
        return float(self.counts @ self._found(pattern)) / max(int(self.counts.sum()), 1)

    def without(self, pattern: str) -> Counter:
        """The texts in which a pattern is not found."""
        kept = ~self._found(pattern)
        return Counts(self.texts.filter(pa.array(kept)), self.counts[kept]).counter()

    def counter(self) -> Counter:
        """Text → count."""
        found: Counter = Counter()
        for text, count in zip(self.texts.to_pylist(), self.counts.tolist(), strict=True):
            found[text] += count
        return found

    def _found(self, pattern: str) -> np.ndarray:
        return np.asarray(pc.match_substring_regex(self.texts, pattern).to_numpy(zero_copy_only=False), bool)
