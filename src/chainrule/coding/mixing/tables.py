"""Tables of the logistic function and of rates, by whole numbers alone: the same on every machine."""

from __future__ import annotations

from functools import cache

import numpy as np

UNIT = 256  # steps of log-odds in one nat
LIMIT = 12 * UNIT - 1  # log-odds reach from -LIMIT to LIMIT
PLACES = 22  # bits of a probability of `squash`
CELLS = 12  # bits of a probability that `stretch` looks up
FIXED = 60  # binary places of what is computed here
DECAY = (4, 5)  # of a bit in a history, for each later one


@cache
def squash() -> np.ndarray:
    """2^22 / (1 + e^(-x / 256)) for x from -LIMIT to LIMIT, int32."""
    one = 1 << FIXED
    step, term, n = one, one, 0
    while term:  # e^(-1/256) by its series
        n += 1
        term //= UNIT * n
        step += term if n % 2 == 0 else -term
    power, upper = one, []
    for _ in range(LIMIT + 1):
        upper.append(min((one << PLACES) // (one + power), (1 << PLACES) - 1))
        power = power * step >> FIXED
    lower = [(1 << PLACES) - p for p in upper[:0:-1]]
    return np.array(lower + upper, np.int32)


@cache
def stretch() -> np.ndarray:
    """The inverse at the middle of each 4096th: the least x whose probability is as large, int32."""
    middles = (2 * np.arange(1 << CELLS) + 1) << (PLACES - CELLS - 1)
    return (np.searchsorted(squash(), middles) - LIMIT).astype(np.int32)


def rates(count: int, most: int) -> np.ndarray:
    """2^16 / (n + 3/2), the step of a mean of n numbers to the next, n = 0 … count - 1; the last n is `most`."""
    n = np.arange(count)
    n[-1] = most
    return (2 * 65536 // (2 * n + 3)).astype(np.int32)


def first_guesses(bits: int) -> np.ndarray:
    """P(1), of 2^16, after each history of up to `bits` - 1 bits: a mean with later bits heavier, and a prior.

    A history is the number 1 followed by its bits, the latest last.
    """
    found = np.full(1 << bits, 1 << 15, np.int32)
    for history in range(2, 1 << bits):
        ones, total, weight = 0, 0, 4096
        for place in range(history.bit_length() - 1):
            ones += weight * (history >> place & 1)
            total += weight
            weight = weight * DECAY[0] // DECAY[1]
        found[history] = (10 * ones + 3 * 4096) * 65535 // (10 * total + 6 * 4096)
    return found
