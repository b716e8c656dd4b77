"""How a rollout is cut into stretches that are captured as one, such as the rows of an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

LONGEST = 64  # sites of a stretch
CAPTURING = 2.0  # what a site costs when a stretch of it is captured, in replays of a graph


def cut(kinds: Sequence[int], first: int) -> list[tuple[int, ...]]:
    """Stretches of sites, each by the kinds in it.

    All begin at multiples of one length, that of the fewest captures and replays, so that a rollout from elsewhere
    finds the same. What occurs once, and the ends, are single sites.

    Args:
        kinds: of the sites, in order.
        first: the number of the first one.
    """
    plans = (_cut(tuple(kinds), first, length) for length in range(1, LONGEST + 1))
    return min(plans, key=_price)


def _cut(kinds: tuple[int, ...], first: int, length: int) -> list[tuple[int, ...]]:
    edges = [0, *range(-first % length or length, len(kinds), length), len(kinds)]
    parts = [kinds[a:b] for a, b in pairwise(edges)]
    often = Counter(part for part in parts if len(part) == length)
    return [piece for part in parts for piece in ([part] if often[part] > 1 else [(kind,) for kind in part])]


def _price(plan: Sequence[tuple[int, ...]]) -> float:
    """In replays."""
    return len(plan) + CAPTURING * sum(map(len, set(plan)))
