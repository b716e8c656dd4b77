"""The different values of a column of numbers, and how often each occurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Values:
    """Sorted different values (D,) and their counts (D,)."""

    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, cells: np.ndarray) -> Values:
        """Count the cells (n,), none of which is missing."""
        return cls(*np.unique(cells, return_counts=True))

    @property
    def total(self) -> int:
        """How many cells there are."""
        return int(self.counts.sum())

    def where(self, mask: np.ndarray) -> Values:
        """Some of them."""
        return Values(self.values[mask], self.counts[mask])

    def between(self, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
        """How many cells lie in [low, high], for each pair of ends."""
        sums = np.concatenate([[0], np.cumsum(self.counts)])
        return (
            sums[np.searchsorted(self.values, high, "right")]
            - sums[np.searchsorted(self.values, low, "left")]
        )

    @property
    def mean(self) -> float:
        """The mean of the cells."""
        return float((self.values * (self.counts / self.total)).sum())

    @property
    def deviation(self) -> float:
        """The standard deviation of the cells."""
        size = float(np.abs(self.values).max(initial=0)) or 1.0  # whose square may be too large for a float
        apart = (self.values - self.mean) / size
        return size * float(np.sqrt(np.average(apart**2, weights=self.counts)))

    def quantile(self, share: float) -> float:
        """The least value with this share of the cells at or below it."""
        sums = np.cumsum(self.counts)
        return float(self.values[np.searchsorted(sums, share * sums[-1])])
