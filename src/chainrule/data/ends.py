"""The ends of a column of numbers, where its values make them evident."""

from __future__ import annotations

import math

import numpy as np

from chainrule.data.values import Values

BEYOND = 5.0  # cells that a normal distribution would have beyond an end, where there is none
# What shares and percentages end at, and the part of it that values reach.
TOP = ((1.0, 0.8), (100.0, 0.9))
# Of the cells next to a hard end, and to one that is no value, (mean / deviation)² of their distances to the innermost:
# 3 if they are spread evenly, about 1.5 in the tail of a normal, 1 in an exponential one.
TAIL, HARD, HARDER = 0.2, 2.3, 2.7
SPACINGS, LAST = 3, 10  # how far from the last value an end lies, in distances of the last values
ENOUGH = 20  # cells that show that none is negative
SETTLED = 0.025  # the share of cells at the last value of a grid that make it the end rather than a natural 0
OTHERS = 8  # different values, from which a point is apart if it is farther off than they are wide
DIGITS = 2  # of a round number


def ends_of(
    values: Values, step: float | None, points: tuple[float, ...], *, counted: bool = True
) -> tuple[float | None, float | None]:
    """(lowest, highest), None where nothing shows one.

    Args:
        values: of the column.
        step, points: what has been found of it.
        counted: whether 0 and round numbers mean something, as they do not for dates.

    - Constant values end where they are.
    - A point that is the last value, close to the others, is a cap.
    - 1 and 100 are the ends of values in [0, 1] and [0, 100] that come near, if a normal of the same mean and deviation
      would have five cells beyond. Then 0 is the lowest; and where no value is negative and zeros occur on a grid, or
      the least value is nearer to 0 than to the median, so that a tail could pass 0.
    - Else a hard end: a normal would have five cells beyond it, and its fifth of the cells does not thin out
      towards it. On a grid without gaps it is the last value, else the roundest number just beyond.

    Sentinels, points far from all else or the only negative value, count for none of this.
    """
    if len(values.values) == 1:
        return float(values.values[0]), float(values.values[0])
    body = values.where(~np.isin(values.values, _sentinels(values, points)))
    if len(body.values) < 2:
        return None, None
    turned = Values(-body.values[::-1], body.counts[::-1])
    lowest, highest = _natural(body, step) if counted else (None, None)
    first = _last(turned, step, tuple(-point for point in points), counted)
    if first is not None and (lowest is None or (step is not None and _settled(turned))):
        lowest = 0.0 - first
    return lowest, _last(body, step, points, counted) if highest is None else highest


def _settled(body: Values) -> bool:
    """Whether the last cell of a grid alone holds enough to be where a distribution ends."""
    return bool(body.counts[-1] >= SETTLED * body.total)


def _sentinels(values: Values, points: tuple[float, ...]) -> list[float]:
    """Points that stand for something else: the only negative value, and those far from all others."""
    found = []
    for place, others in ((0, values.values[1:]), (-1, values.values[:-1])):
        value = float(values.values[place])
        gap = abs(value - float(others[min(place, 0)]))
        apart = gap > others[-1] - others[0] and len(others) >= OTHERS
        if value in points and (apart or (place == 0 and value < 0 <= others[0])):
            found.append(value)
    return found


def _natural(body: Values, step: float | None) -> tuple[float | None, float | None]:
    """0 as the lowest, 1 or 100 as the highest."""
    least, greatest = body.values[0], body.values[-1]
    if least < 0:
        return None, None
    zeros = step is not None and least == 0 and body.counts[0] > 1
    never = zeros or (body.total >= ENOUGH and 2 * least < body.quantile(0.5))
    for top, near in TOP:
        if near * top <= greatest <= top and (step is None or step < top):
            share = never and top == 1 and step != 1 and body.quantile(0.9) >= top / 2.5
            if share or _beyond(body, top) >= BEYOND:
                return 0.0, top
    return (0.0 if never else None), None


def _last(body: Values, step: float | None, points: tuple[float, ...], counted: bool) -> float | None:
    """The upper end where it is a cap, or hard."""
    last = float(body.values[-1])
    if last in points and len(body.values) > 2:
        return last
    if _beyond(body, last + (step or 0) / 2) < BEYOND:
        return None
    tail = body.values[-(LAST + 1) :]
    spacing = float(tail[-1] - tail[0]) / (len(tail) - 1)
    if not counted or (step is not None and spacing < 2 * step):
        return last if _hard(body, step or 0, HARD) else None
    if len(tail) <= LAST or not _hard(body, step or 0, HARDER):
        return None
    return _roundest(last, last + SPACINGS * spacing)


def _hard(body: Values, width: float, least: float) -> bool:
    """Whether the last fifth of the cells does not thin out towards the end."""
    tail = body.where(body.values >= body.quantile(1 - TAIL))
    inner = Values(tail.values - tail.values[0] + width / 2, tail.counts)
    if width and 2 * tail.counts[-1] < np.mean(tail.counts):
        return False
    return inner.mean >= least**0.5 * inner.deviation


def _beyond(body: Values, end: float) -> float:
    """How many cells a normal distribution of their mean and deviation would have beyond an end."""
    deviation = body.deviation
    return body.total * math.erfc(abs(end - body.mean) / deviation / math.sqrt(2)) / 2 if deviation else 0.0


def _roundest(low: float, high: float) -> float | None:
    """The number of at most two digits in [low, high], the shorter the better."""
    size = max(abs(low), abs(high), 1e-300)
    first = math.floor(math.log10(size)) + 1
    for power in range(first, first - DIGITS - 1, -1):
        count = math.ceil(low / 10.0**power)
        value = count * 10.0**power if power >= 0 else count / 10.0**-power
        if low <= value <= high:
            return value
    return None
