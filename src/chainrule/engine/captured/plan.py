"""How a rollout is cut into stretches that are captured as one, such as the rows of an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

LONGEST = 64  # sites of a stretch
CAPTURING = 2.0  # what a site costs when a stretch of it is captured, in replays of a graph


def cut(
    kinds: Sequence[int], first: int, captured: Collection[tuple[int, ...]] = ()
) -> list[tuple[int, ...]]:
    """Stretches of sites, each by the kinds in it.

    All begin at multiples of one length, that of the fewest captures and replays, so that a rollout from elsewhere
    finds the same. What occurs once, and the ends, are single sites.

    Args:
        kinds: of the sites, in order.
        first: the number of the first one.
        captured: stretches that are captured already.
    """
    lengths = range(1, max(min(LONGEST, len(kinds)), 1) + 1)
    plans = (_cut(tuple(kinds), first, length, captured) for length in lengths)
    return min(plans, key=lambda plan: len(plan) + CAPTURING * sum(map(len, set(plan).difference(captured))))


def _cut(
    kinds: tuple[int, ...], first: int, length: int, captured: Collection[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    edges = [0, *range(-first % length or length, len(kinds), length), len(kinds)]
    parts = [kinds[a:b] for a, b in pairwise(edges)]
    often = Counter(part for part in parts if len(part) == length)
    whole = {part for part in often if often[part] > 1 or part in captured}
    return [piece for part in parts for piece in ([part] if part in whole else [(kind,) for kind in part])]
