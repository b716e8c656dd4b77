"""Files below a folder: their order, and the splits and classes that subfolders say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.errors import DataError


def files_below(root: Path, suffixes: Collection[str]) -> list[Path]:
    """The sorted paths, relative to root, of all files below it with one of the suffixes."""
    paths = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in suffixes)
    # Hidden files are the file manager's or the editor's, not the user's.
    visible = (path for path in paths if not any(part.startswith(".") for part in path.parts))
    return sorted(path for path in visible if (root / path).is_file())


def split_roots(folder: Path, paths: Sequence[Path]) -> dict[str, Path]:
    """Split → its folder; the whole folder is "train" if no subfolder has the name of a split.

    Args:
        folder: of the files.
        paths: theirs, relative to it.

    Raises:
        DataError: if there are subfolders of splits, but not of train, or others beside them.
    """
    tops = {path.parts[0] for path in paths}
    found = [split for split in SPLITS if split in tops]
    if not found:
        return {"train": folder}
    if "train" not in found:
        raise DataError(f"{folder}: has {', '.join(found)} but no train folder")
    if tops - set(found):
        raise DataError(f"{folder}: has {min(tops - set(found))} beside the splits {', '.join(found)}")
    return {split: folder / split for split in found}


def classes_of(parts: Mapping[str, Sequence[Path]]) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    """The subfolder that each file lies in as its class.

    Args:
        parts: split → the files, relative to the split's folder.

    Returns:
        Split → codes (n,), without the splits of which some files lie in no subfolder; and the names, None for none.
    """
    classes = {
        split: [path.parts[0] for path in part]
        for split, part in parts.items()
        if all(len(path.parts) > 1 for path in part)
    }
    names = sorted({name for part in classes.values() for name in part})
    labels = {split: np.array([names.index(name) for name in part]) for split, part in classes.items()}
    return labels, tuple(names) or None
