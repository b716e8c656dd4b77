"""16-bit samples ↔ the levels of a domain: 256 by μ-law, or one for each of the 65536 values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chainrule.domain import Domain
from chainrule.domain.mu_law import FULL, LEVELS, compress_samples, expand_samples
from chainrule.errors import DataError

WINDOW = Domain.sequence(2048, LEVELS, lengths="given")  # of recordings, unless it is said


def check_sound(domain: Domain) -> None:
    """Refuse a domain that is not one of sounds.

    Raises:
        DataError: if it is not of sequences of 256 or 65536 levels, without an end symbol.
    """
    one = domain.layout == "sequence" and len(domain.event_shape) == 1 and domain.lengths != "ends"
    if not one or domain.levels not in (LEVELS, 2 * FULL):
        raise DataError(
            f"recordings need a domain such as {WINDOW} (μ-law) or {replace(WINDOW, levels=2 * FULL)} (16 bits), "
            f"got {domain}"
        )


def to_levels(samples: np.ndarray, domain: Domain) -> np.ndarray:
    """int16 of any shape → levels: by μ-law, or sample + 32768.

    Raises:
        DataError: if the domain is not one of sounds.
    """
    check_sound(domain)
    return compress_samples(samples) if domain.levels == LEVELS else samples.astype(np.int32) + FULL


def to_samples(levels: np.ndarray, domain: Domain) -> np.ndarray:
    """The inverse of `to_levels`, but for what μ-law rounds.

    Raises:
        DataError: if the domain is not one of sounds.
    """
    check_sound(domain)
    levels = np.asarray(levels)
    return expand_samples(levels) if domain.levels == LEVELS else (levels - FULL).astype(np.int16)
