"""Loaders of the named data sets whose files need a few words; longer ones have files of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.raw import Raw, reading
from chainrule.data.readers.arrays import read_arrays
from chainrule.data.readers.music import read_music
from chainrule.data.readers.text import read_text
from chainrule.data.reading import Reading
from chainrule.domain import Domain

TEN_DIGITS = tuple("0123456789")
GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def digits() -> Raw:
    """scikit-learn's digits; rows 0-999 train."""
    from sklearn.datasets import load_digits  # slow to import, and only needed here

    bunch = load_digits()
    raw = Raw("digits", "scikit-learn load_digits", {"train": bunch.images}, {"train": bunch.target})
    raw.domain = Domain.image(1, 8, 8, levels=17)
    raw.class_names = TEN_DIGITS
    raw.split = "rows 0-999 train, 1000-1349 valid, 1350-1796 test"
    cuts = (1000, 1350)
    for values in (raw.arrays, raw.labels):
        values["train"], values["valid"], values["test"] = np.split(values["train"], cuts)
    return raw


def penguins() -> Raw:
    """The table of Gorman, Williams and Fraser, with its gaps."""
    from chainrule.data.readers.formats import read_source

    raw = read_source(Path(__file__).with_name("penguins.csv"), Reading())
    raw.where = "penguins"
    return raw


def mnist(path: Path) -> Raw:
    """Handwritten digits, the last 10000 of train for validation."""
    raw = _with_validation(path, 10000)
    raw.class_names = TEN_DIGITS
    return raw


def binarized_mnist(path: Path) -> Raw:
    """The fixed binarization."""
    raw = read_arrays(path, Reading(in_parts=False))
    raw.domain = Domain.image(1, 28, 28, levels=2)
    raw.split = "the split of Larochelle and Murray"
    return raw


def caltech_silhouettes(path: Path) -> Raw:
    """Outlines of 101 kinds of objects, upright."""
    raw = read_arrays(path, Reading(in_parts=False))
    # Stored column by column, with labels from 1.
    raw.arrays = {split: x.reshape(-1, 28, 28).transpose(0, 2, 1) for split, x in raw.arrays.items()}
    raw.labels = {split: y.astype(np.int64) - 1 for split, y in raw.labels.items()}
    with reading(str(path)), np.load(path, allow_pickle=False) as file:
        raw.class_names = tuple(file["class_names"].tolist())
    raw.domain = Domain.image(1, 28, 28, levels=2)
    raw.split = "the official split 1; 1 is background, 0 is object"
    return raw


def fashion_mnist(path: Path) -> Raw:
    """Clothes, the last 5000 of train for validation."""
    raw = _with_validation(path, 5000)
    raw.class_names = GARMENTS
    raw.note = "own split, not the official one"
    return raw


def tiny_shakespeare(path: Path) -> Raw:
    """One long text; the last tenth tests, the last tenth of the rest validates."""
    raw = read_text(path, Reading(Domain.sequence(256, 65)), held=(100_385, 111_540))
    raw.note = "test is the last tenth of the text, valid the last tenth of what is before it"
    return raw


def names(path: Path) -> Raw:
    """A name an item, with an end."""
    return read_text(path, Reading(Domain.sequence(16, 27, lengths="ends")))


def chorales(path: Path) -> Raw:
    """Whole chorales."""
    return read_music(path, 160)  # the longest has 160 steps


def tunes(path: Path) -> Raw:
    """Folk tunes in windows of 256 steps."""
    return read_music(path, 256)


def bits(path: Path) -> Raw:
    """Rows of bits."""
    raw = read_arrays(path, Reading(in_parts=False))
    raw.domain = Domain.binary(raw.arrays["train"].shape[1])
    raw.split = "the standard split"
    return raw


def _with_validation(path: Path, count: int) -> Raw:
    """28x28 images of 256 levels, the last `count` of train put aside as the validation set."""
    raw = read_arrays(path, Reading(in_parts=False))
    raw.domain = Domain.image(1, 28, 28)
    for values in (raw.arrays, raw.labels):
        values["train"], values["valid"] = np.split(values["train"], [-count])
    raw.split = f"train and test as given, the last {count} training images are valid"
    return raw
