"""The named data sets: one table of files and digests, one small loader for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.data.arrays import read_arrays
from chainrule.data.folder import data_folder, verified
from chainrule.data.raw import Raw, reading
from chainrule.domain import Domain

TEN_DIGITS = tuple("0123456789")
GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True)
class NamedSet:
    """A data set that `load_data` knows by name.

    Attributes:
        name: for `load_data`.
        description: one line.
        path: where its file is expected; None if it comes with a package.
        present: whether it can be loaded now.
    """

    name: str
    description: str
    path: Path | None
    present: bool


@dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
        description: one line.
        load: the loader; takes the path of the verified file, or nothing if there is no file.
        file: relative to the data folder.
        digest: SHA-256 of the file.
    """

    description: str
    load: Callable[..., Raw]
    file: str | None = None
    digest: str = ""


def list_data(data_dir: str | Path | None = None) -> list[NamedSet]:
    """All named sets, and whether each is there.

    Args:
        data_dir: see `data_folder`.
    """
    sets = []
    for name, entry in NAMED.items():
        path = data_folder(data_dir) / entry.file if entry.file else None
        sets.append(NamedSet(name, entry.description, path, path is None or path.is_file()))
    return sets


def read_named(name: str, data_dir: str | Path | None) -> Raw:
    """Read a set of the table.

    Raises:
        DataError: if its file is missing, unreadable or not the right one.
    """
    entry = NAMED[name]
    raw = entry.load(verified(name, entry.file, entry.digest, data_dir)) if entry.file else entry.load()
    raw.name = name
    return raw


def _digits() -> Raw:
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


def _mnist(path: Path) -> Raw:
    raw = _with_validation(path, 10000)
    raw.class_names = TEN_DIGITS
    return raw


def _binarized_mnist(path: Path) -> Raw:
    raw = read_arrays(path)
    raw.domain = Domain.image(1, 28, 28, levels=2)
    raw.split = "the split of Larochelle and Murray"
    return raw


def _caltech_silhouettes(path: Path) -> Raw:
    raw = read_arrays(path)
    # Stored column by column, with labels from 1.
    raw.arrays = {split: x.reshape(-1, 28, 28).transpose(0, 2, 1) for split, x in raw.arrays.items()}
    raw.labels = {split: y.astype(np.int64) - 1 for split, y in raw.labels.items()}
    with reading(str(path)), np.load(path, allow_pickle=False) as file:
        raw.class_names = tuple(file["class_names"].tolist())
    raw.domain = Domain.image(1, 28, 28, levels=2)
    raw.split = "the official split 1; 1 is background, 0 is object"
    return raw


def _fashion_mnist(path: Path) -> Raw:
    raw = _with_validation(path, 5000)
    raw.class_names = GARMENTS
    raw.note = "own split, not the official one"
    return raw


def _debd(path: Path) -> Raw:
    raw = read_arrays(path)
    raw.split = "the standard split"
    return raw


def _with_validation(path: Path, count: int) -> Raw:
    """28x28 images of 256 levels, the last `count` of train put aside as the validation set."""
    raw = read_arrays(path)
    raw.domain = Domain.image(1, 28, 28)
    for values in (raw.arrays, raw.labels):
        values["train"], values["valid"] = np.split(values["train"], [-count])
    raw.split = f"train and test as given, the last {count} training images are valid"
    return raw


NAMED = {
    "digits": Entry("8x8 handwritten digits, 17 grey levels; comes with scikit-learn", _digits),
    "mnist": Entry(
        "28x28 handwritten digits, 256 grey levels",
        _mnist,
        "mnist/mnist.npz",
        "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
    ),
    "binarized-mnist": Entry(
        "28x28 handwritten digits, the fixed binarization of Salakhutdinov and Murray",
        _binarized_mnist,
        "binarized_mnist/binarized_mnist.npz",
        "7a049ae3a0d88e964af4b41bbdb14e4303595e1c5de65f8bd2455cdcebb3514b",
    ),
    "caltech-silhouettes": Entry(
        "28x28 binary outlines of the objects of Caltech-101, 101 classes",
        _caltech_silhouettes,
        "caltech101_silhouettes/caltech101_silhouettes_28_split1.npz",
        "fa83df7ebe110f065163904e887ca9189a22969717138a603bdead7a026d93dd",
    ),
    "fashion-mnist": Entry(
        "28x28 pictures of clothes, 256 grey levels; own split, not the official one",
        _fashion_mnist,
        "fashion_mnist/fashion_mnist.npz",
        "30b85317354a77a496de1acc075a489bc35ee02e4181f6cd86101effb6fec6ac",
    ),
    "nltcs": Entry(
        "disability survey, 16 bits a row (DEBD)",
        _debd,
        "debd/nltcs.npz",
        "a8420b36315e682f0eb471817d216293df38fa02173e2d4a2edf52fc3b79bc37",
    ),
    "plants": Entry(
        "regions where plants grow, 69 bits a row (DEBD)",
        _debd,
        "debd/plants.npz",
        "2a4d15b4d93411e78f97a5692348875ae4bb89a53a0a75f3fc1568e86c040345",
    ),
    "audio": Entry(
        "listening habits, 100 bits a row (DEBD)",
        _debd,
        "debd/baudio.npz",
        "3e6a0ca079dcd4fc7dd15b514d77e00c9446a9ccca62c288bef36bf0b223c861",
    ),
    "jester": Entry(
        "jokes liked, 100 bits a row (DEBD)",
        _debd,
        "debd/jester.npz",
        "2caf3089ab012233a1f086cd483667862a869cec000e53f1a404b937e3395f76",
    ),
    "dna": Entry(
        "splice junctions, 180 bits a row (DEBD)",
        _debd,
        "debd/dna.npz",
        "a1a01944f2e95e56ec53e5d1f3d66c7000f06258e16d11d0397be2cb594b3a56",
    ),
}
