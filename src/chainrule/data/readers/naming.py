"""Arrays that have names → items, labels and splits, by what the names say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.limits import check_size
from chainrule.data.notes import listed, plain
from chainrule.data.raw import Raw
from chainrule.data.readers.tree import split_of
from chainrule.errors import DataError

ITEMS = ("x", "data", "images", "samples")
LABELS = ("y", "target", "targets", "label", "labels")


@dataclass(frozen=True)
class Header:
    """What is known of an array before it is read.

    Attributes:
        shape: its sizes.
        kind: its type, in words or NumPy's.
        itemsize: bytes of a number.
        problem: why it cannot be read; empty if it can.
    """

    shape: tuple[int, ...]
    kind: str
    itemsize: int
    problem: str = ""

    @property
    def bytes(self) -> int:
        """The number of bytes that it takes in memory."""
        return prod(self.shape) * self.itemsize

    def __str__(self) -> str:
        return f"{self.kind} {self.shape}"


def header_of(array: np.ndarray) -> Header:
    """The header of an array that is in memory."""
    return Header(tuple(array.shape), str(array.dtype), array.dtype.itemsize)


def raw_of_arrays(
    name: str,
    where: str,
    headers: Mapping[str, Header],
    load: Callable[[str], np.ndarray],
    matlab: bool = False,
) -> Raw:
    """The arrays of a source that has several.

    Expected are `train`, `valid`, `test` (or `x_train`, …, `train_images`, …) with labels `y_train`, …; or one array,
    or one named `x`, `data` or `images`, with labels `y`, `target` or `labels`. A split may be called `val` and the
    like. Arrays of other names are left alone, and named.

    Args:
        name: what to call the data.
        where: what messages call it.
        headers: name of each array → what is known of it.
        load: the array of a name; only those that are used are loaded.
        matlab: whether labels may be columns of floats, since it knows nothing else.

    Raises:
        DataError: if no array has a name that is known, or one that is used cannot be read or is too large.
    """
    items, labels = choose_arrays(where, headers)
    used = [*items.values(), *labels.values()]
    for array in used:
        if headers[array].problem:
            raise DataError(f"{where}: array {plain(array)}: {headers[array].problem}")
        if any(size < 0 for size in headers[array].shape):
            raise DataError(f"{where}: array {plain(array)}: damaged: of shape {headers[array].shape}")
    check_size(where, sum(headers[array].bytes for array in used))
    raw = Raw(
        name,
        where,
        {split: load(array) for split, array in items.items()},
        {split: _flat(load(array)) if matlab else load(array) for split, array in labels.items()},
    )
    raw.notes.found = [f"array {plain(array)}, {headers[array]}" for array in headers if array in used]
    raw.notes.ignored = [f"array {plain(array)}, {headers[array]}" for array in headers if array not in used]
    return raw


def _flat(labels: np.ndarray) -> np.ndarray:
    """(N, 1) and (1, N) as (N,), and whole floats as integers."""
    if labels.ndim == 2 and 1 in labels.shape:
        labels = labels.ravel()
    if labels.dtype.kind == "f" and labels.size and (np.abs(labels) < 1 << 31).all():
        whole = labels.astype(np.int64)
        return whole if (whole == labels).all() else labels
    return labels


def choose_arrays(where: str, names: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split → the array's name, and split → the name of its labels, where it has some.

    Raises:
        DataError: if no name is known, or two are of one split.
    """
    items = _by_split(where, list(names), ITEMS)
    if items:
        labels = _by_split(where, [name for name in names if name not in items.values()], LABELS)
        return items, {split: name for split, name in labels.items() if split in items}
    label = next((name for name in names if name.lower() in LABELS), None)
    labels = {} if label is None else {"train": label}
    rest = [name for name in names if name != label]
    single = next((name for name in rest if name.lower() in ITEMS), rest[0] if len(rest) == 1 else None)
    if single is None:
        raise DataError(
            f"{where}: expected arrays train, valid, test, or x_train, …, or one array x, "
            f"got {listed(names) or 'none'}"
        )
    return {"train": single}, labels


def _by_split(where: str, names: Sequence[str], words: tuple[str, ...]) -> dict[str, str]:
    """Split → the array that is called like it, with one of the words before or after; or alone, if items."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.lower().split("_")
        split = next((split_of(part) for part in parts if split_of(part)), None)
        rest = [part for part in parts if split_of(part) is None]
        if split is None or not (len(rest) <= 1 and (rest[0] in words if rest else words is ITEMS)):
            continue
        if split in found:
            raise DataError(f"{where}: expected one array of {split}, got {listed([found[split], name])}")
        found[split] = name
    return {split: found[split] for split in SPLITS if split in found}
