"""Times of several ways to do one thing, taken in turn so that the machine's drift hits all alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of each way, a number a round."""

    rounds: dict[str, list[float]]

    def median(self, way: str) -> float:
        """Over the rounds, in seconds."""
        return statistics.median(self.rounds[way])

    def medians(self) -> dict[str, float]:
        """The median of every way."""
        return {way: self.median(way) for way in self.rounds}

    def ratio(self, way: str, to: str) -> float:
        """way / to: the median of the rounds' own ratios."""
        return statistics.median(a / b for a, b in zip(self.rounds[way], self.rounds[to], strict=True))


def time_interleaved(
    ways: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    seconds: float = math.inf,
    least: float = 0.0,
) -> Times:
    """Run every way once unmeasured, then `repeats` rounds of all of them.

    Args:
        ways: by name.
        repeats: counted rounds.
        seconds: no further round begins after the counted ones have taken this long.
        least: a way that takes less than this is called more often in a round, about as long; its time is a call's.
    """
    for run in ways.values():
        run()
    calls = {way: _calls(run, least) for way, run in ways.items()}
    rounds: dict[str, list[float]] = {way: [] for way in ways}
    begun = time.perf_counter()
    for _ in range(repeats):
        for way, run in ways.items():
            start = time.perf_counter()
            for _ in range(calls[way]):
                run()
            rounds[way].append((time.perf_counter() - start) / calls[way])
        if time.perf_counter() - begun > seconds:
            break
    return Times(rounds)


def _calls(run: Callable[[], object], least: float) -> int:
    """How many calls take about `least` seconds."""
    if not least:
        return 1
    start = time.perf_counter()
    run()
    return max(1, round(least / (time.perf_counter() - start)))
