"""Made up: sequences that test a memory, points of a plane whose density can be drawn."""

from __future__ import annotations

import numpy as np

from chainrule.data.raw import Raw
from chainrule.domain import Domain

BLANK, MARK = 0, 9
LETTERS = 8  # 1 … 8
POINTS = 10_000


def copy_memory(delay: int = 1000, items: int = 5000, seed: int = 0, *, word: int = 10) -> Raw:
    """Random symbols, blanks, a mark `delay` steps after them, and the same symbols again.

    A model that remembers pays for the first symbols only, 10 ln 8 = 20.79 nats for ten; a model that does
    not pays twice.

    Args:
        delay: from the word's end to the mark.
        items: of the training split; valid and test have a tenth of it each.
        seed: of the words.
        word: symbols to remember.

    References:
        Bai, Kolter, Koltun (2018), "An empirical evaluation of generic convolutional and recurrent networks for
        sequence modeling", https://arxiv.org/abs/1803.01271, §4
    """
    random = np.random.default_rng(seed)
    arrays = {}
    for split, count in (("train", items), ("valid", items // 10), ("test", items // 10)):
        words = random.integers(1, LETTERS + 1, (count, word), dtype=np.uint8)
        gap = np.full((count, delay), BLANK, np.uint8)
        gap[:, -1] = MARK
        arrays[split] = np.concatenate([words, gap, words], axis=1)
    length = 2 * word + delay
    return Raw(
        "copy-memory",
        f"made up, seed {seed}",
        arrays,
        domain=Domain.sequence(length, MARK + 1),
        split=f"words of {word} symbols, {delay} steps to their copy",
    )


def moons() -> Raw:
    """Two half circles that reach into each other, with normal noise of 0.08."""
    from sklearn.datasets import make_moons  # slow to import, and only needed here

    return _plane("moons", make_moons(POINTS, noise=0.08, random_state=0)[0], "scikit-learn make_moons")


def rings() -> Raw:
    """Two circles, one in the other, with normal noise of 0.05."""
    from sklearn.datasets import make_circles

    return _plane(
        "rings",
        2 * make_circles(POINTS, noise=0.025, factor=0.5, random_state=0)[0],
        "scikit-learn make_circles",
    )


def _plane(name: str, points: np.ndarray, source: str) -> Raw:
    train, valid, test = np.split(points, (POINTS * 3 // 5, POINTS * 4 // 5))
    arrays = {"train": train, "valid": valid, "test": test}
    return Raw(name, source, arrays, domain=Domain.vector(2), split="drawn at random, seed 0")
