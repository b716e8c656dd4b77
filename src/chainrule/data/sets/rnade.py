"""The real-valued sets of RNADE (Uria, Murray and Larochelle 2013, arXiv:1306.0186), prepared by its protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.raw import Raw
from chainrule.data.readers.arrays import read_arrays
from chainrule.data.reading import Reading
from chainrule.domain import Domain

CORRELATED = 0.98
LEVELS = 256


def read_continuous(path: Path) -> Raw:
    """A UCI table without its discrete columns, and without one of each correlated pair.

    The paper's rule leaves open which column of a pair goes; read as here, it gives the paper's dimensions. Columns of
    whole numbers are dropped, then each column whose correlation with a later one is above 0.98 in absolute value.
    That leaves of

    - red and white wine all 11;
    - Parkinsons 15 of 22: without subject#, age, sex; and without Jitter(%), Jitter:RAP, Shimmer, Shimmer:APQ3;
    - Ionosphere 32 of 34: without the first two;
    - Boston housing 10 of 13: without CHAS, RAD, TAX.

    The paper reports means over ten folds; here the rows are split once.
    """
    raw = read_arrays(path, Reading(in_parts=False))
    x = raw.arrays["train"]
    x = x[:, (x != np.floor(x)).any(0)]
    later = np.triu(np.abs(np.corrcoef(x.T)), 1)
    raw.arrays["train"] = x[:, ~(later > CORRELATED).any(1)]
    raw.labels = {}  # a target to regress on, no class
    raw.domain = Domain.vector(raw.arrays["train"].shape[1])
    raw.note = "columns dropped by the rule of the RNADE paper"
    return raw


def read_patches(path: Path) -> Raw:
    """8x8 grey patches as 63 reals: noise within a level, in units of 256 levels, less the mean, less the last pixel.

    The noise, uniform in [0, 1) a pixel, is always the same. With the mean taken away the last pixel follows from the
    others.
    """
    raw = read_arrays(path, Reading(in_parts=False))
    generator = np.random.default_rng(0)
    for split, patches in raw.arrays.items():
        x = patches.reshape(len(patches), -1)
        x = (x + generator.random(x.shape)) / LEVELS
        raw.arrays[split] = (x - x.mean(1, keepdims=True))[:, :-1]
    raw.domain = Domain.vector(raw.arrays["train"].shape[1])
    raw.split = "its own split, by photograph"
    return raw
