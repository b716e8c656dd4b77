"""NumPy files: .npy with one array, .npz with one array or a split of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.raw import Raw, reading
from chainrule.errors import DataError

MAGIC = (b"\x93NUMPY", b"PK")


def read_arrays(path: Path) -> Raw:
    """Read a .npy or .npz file; nothing in it is ever unpickled.

    An .npz holds `train`, `valid`, `test` (or `x_train`, …) with labels `y_train`, …; or one array, or
    one named `x` or `data`, with labels `y`. Arrays of other names are left alone.

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
            names, labels = _choose(path, content.files)
            return Raw(
                path.stem,
                str(path),
                {split: content[name] for split, name in names.items()},
                {split: content[name] for split, name in labels.items() if name in content.files},
            )


def _choose(path: Path, names: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split → the array's name, and split → the name its labels would have."""
    found = {split: name for split in SPLITS for name in (f"x_{split}", split) if name in names}
    if found and "train" not in found:
        raise DataError(f"{path}: has {', '.join(found.values())} but no train or x_train")
    if found:
        return found, {split: f"y_{split}" for split in found}
    if len(names) == 1:
        return {"train": names[0]}, {}
    single = next((name for name in ("x", "data") if name in names), None)
    if single is None:
        raise DataError(
            f"{path}: expected arrays train, valid, test, or x_train, …, or one array x, "
            f"got {', '.join(names) or 'none'}"
        )
    return {"train": single}, {"train": "y"}
