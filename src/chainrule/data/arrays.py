"""NumPy files: .npy with one array, .npz with one array or a split of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.raw import Raw, reading
from chainrule.data.tree import split_of
from chainrule.errors import DataError

ITEMS = ("x", "data", "images", "samples")
LABELS = ("y", "target", "targets", "label", "labels")
MAGIC = (b"\x93NUMPY", b"PK")


def read_arrays(path: Path) -> Raw:
    """Read a .npy or .npz file; nothing in it is ever unpickled.

    An .npz holds `train`, `valid`, `test` (or `x_train`, …, `train_images`, …) with labels `y_train`, …; or one array,
    or one named `x`, `data` or `images`, with labels `y`, `target` or `labels`. A split may be called `val` and the
    like. Arrays of other names are left alone, and named.

    Raises:
        DataError: if it is no NumPy file, is damaged, holds objects, or names no array that is known.
    """
    with reading(str(path)):
        with path.open("rb") as stream:
            if not stream.read(6).startswith(MAGIC):
                raise DataError(f"{path}: not a NumPy file")
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return Raw(path.stem, str(path), {"train": content})
        with content:
            items, labels = choose_arrays(path, content.files)
            raw = Raw(
                path.stem,
                str(path),
                {split: content[name] for split, name in items.items()},
                {split: content[name] for split, name in labels.items()},
            )
            used = {*items.values(), *labels.values()}
            raw.notes.found = [_shown(name, content[name]) for name in content.files if name in used]
            raw.notes.ignored = [_shown(name, content[name]) for name in content.files if name not in used]
            return raw


def _shown(name: str, array: np.ndarray) -> str:
    return f"array {name}, {array.dtype} {tuple(array.shape)}"


def choose_arrays(path: Path, names: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split → the array's name, and split → the name of its labels, where it has some."""
    items = _by_split(path, names, ITEMS)
    if items:
        labels = _by_split(path, [name for name in names if name not in items.values()], LABELS)
        return items, {split: name for split, name in labels.items() if split in items}
    label = next((name for name in names if name.lower() in LABELS), None)
    labels = {} if label is None else {"train": label}
    rest = [name for name in names if name != label]
    single = next((name for name in rest if name.lower() in ITEMS), rest[0] if len(rest) == 1 else None)
    if single is None:
        raise DataError(
            f"{path}: expected arrays train, valid, test, or x_train, …, or one array x, "
            f"got {', '.join(names) or 'none'}"
        )
    return {"train": single}, labels


def _by_split(path: Path, names: list[str], words: tuple[str, ...]) -> dict[str, str]:
    """Split → the array that is called like it, with one of the words before or behind; or alone, if items."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.lower().split("_")
        split = next((split_of(part) for part in parts if split_of(part)), None)
        rest = [part for part in parts if split_of(part) is None]
        if split is None or not (len(rest) <= 1 and (rest[0] in words if rest else words is ITEMS)):
            continue
        if split in found:
            raise DataError(f"{path}: expected one array of {split}, got {found[split]} and {name}")
        found[split] = name
    return {split: found[split] for split in SPLITS if split in found}
