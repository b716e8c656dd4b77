"""How far the values of a column lie apart: the grid that all of them are on, by exact decimal arithmetic."""

from __future__ import annotations

import math

import numpy as np

MOST_DECIMALS = 6
# Whole multiples of a step that float64 holds with digits to spare; whole numbers themselves up to 2^53.
LARGEST, EXACT = 10**12, 1 << 53
# A grid is evident if as many values of a finer one would lie on it by chance once in 10,000 columns.
EVIDENCE = math.log(1e4)
HALVES, LIKELY = (5, 25), math.log(100)  # of the last decimals, halves and quarters are likely beforehand


def step_of(values: np.ndarray, single: bool = False) -> float | None:
    """The widest step g such that all values are multiples of it, where that is evident; None for a density.

    First the fewest decimals that write every value exactly; then the greatest common divisor in the last of them.

    Args:
        values: (n,) different finite numbers, in any order.
        single: whether they were kept as float32.

    Example:
        >>> step_of(0.25 * np.arange(1, 20)), step_of(np.array([0.1, 0.25, 0.7]))
        (0.25, 0.01)
    """
    for decimals in range(MOST_DECIMALS + 1):
        multiples = multiples_of(values, decimals, single)
        if multiples is not None:
            break
    else:
        return None
    chance = np.spacing(np.abs(values).astype(np.float32 if single else np.float64)) * 10.0**decimals
    if -np.log(chance.clip(1e-300, 1)).sum() < EVIDENCE:
        return None
    divisor = int(np.gcd.reduce(multiples)) or 1
    telling = _telling(multiples, divisor, decimals)
    # One value alone is a multiple of itself; halves are looked for whatever comes.
    least, telling = (LIKELY, telling) if divisor in HALVES else (EVIDENCE, telling - 1)
    if telling * math.log(divisor) < least:
        divisor = 1
    return divisor / 10**decimals


def _telling(multiples: np.ndarray, divisor: int, decimals: int) -> int:
    """How many values show that all are multiples of a divisor: not 0, and not those of fewer decimals or rounder."""
    sizes = np.unique(np.abs(multiples))
    fine = sizes % 10 != 0 if decimals else sizes != 0
    return int((fine & (sizes // divisor % 5 != 0)).sum())


def multiples_of(values: np.ndarray, decimals: int, single: bool = False) -> np.ndarray | None:
    """The values as int64 counts of 10^-decimals, or None if one of them is no whole count."""
    counts = on_decimals(values, decimals, single)
    return None if counts is None or np.isnan(counts).any() else counts.astype(np.int64)


def on_decimals(values: np.ndarray, decimals: int, single: bool = False) -> np.ndarray | None:
    """Each value as a count of 10^-decimals, NaN where it is none; None if there cannot be a grid this fine."""
    scale, most = 10**decimals, LARGEST if decimals else EXACT
    if np.abs(values).max(initial=0) > most / scale:
        return None
    counts = np.rint(values * scale)
    # The division is rounded correctly, so the quotient is the float that the decimal is read as.
    back = counts / scale
    same = back.astype(np.float32) == values.astype(np.float32) if single else back == values
    return np.where(same, counts, np.nan)


def as_fraction(step: float) -> tuple[int, int]:
    """A step as a whole number and the power of ten that it is divided by.

    Example:
        >>> as_fraction(0.25), as_fraction(1000.0)
        ((25, 100), (1000, 1))
    """
    for decimals in range(MOST_DECIMALS + 1):
        count = round(step * 10**decimals)
        if count / 10**decimals == step:
            break
    return count, 10**decimals
