"""Files of arrays: names, types and shapes of the items' arrays and of their labels'."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chainrule.coding.about import described
from chainrule.coding.container import DAMAGED
from chainrule.data.readers.naming import choose_arrays
from chainrule.errors import CodeError
from chainrule.tasks.packing.source import Source, Unpacked, write_arrays

ALONE = ""  # what the array of a .npy is called


def describe(source: Source) -> dict:
    """The arrays that the items are of, in their order, and the arrays of labels."""
    assert source.path is not None
    arrays = _read(source.path)
    names, labels = {"train": ALONE}, dict[str, str]()
    if ALONE not in arrays:
        names, labels = choose_arrays(str(source.path), arrays)
    split, left, start = source.items.split, len(source.items), 0
    parts, whole = [], source.items.x.numpy()
    for own, name in names.items():
        if split not in ("all", own) or not left:
            continue
        array = arrays[name][:left]
        part = whole[start : start + len(array)]
        axis = "first" if _equal(part.reshape(array.shape).astype(array.dtype), array) else "last"
        parts.append({"name": name, "axis": axis, **_type(array)})
        if own in labels:
            parts[-1]["labels"] = {"name": labels[own], **_type(arrays[labels[own]][: len(array)])}
        start, left = start + len(array), left - len(array)
    stored = source.stored_labels if labels else None
    return {
        "ending": source.path.suffix.lower(),
        "parts": parts,
        **({} if stored is None else {"labels": stored}),
    }


def endings(about: dict) -> tuple[str, ...]:
    """The suffix of the source."""
    return (".npy",) if about.get("ending") == ".npy" else (".npz",)


def write(unpacked: Unpacked, out: Path) -> None:
    """The arrays as they were."""
    with described():
        arrays = _restored(unpacked)
    if list(arrays) == [ALONE]:
        with out.open("wb") as file:
            np.save(file, arrays[ALONE])
    else:
        write_arrays(out, arrays)


def difference(source: Source, out: Path) -> str | None:
    """Which array differs."""
    assert source.path is not None
    was, now = _read(source.path), _read(out)
    for name, array in now.items():
        given = was[name][: len(array)] if source.part else was[name]
        if (given.dtype, given.shape) != (array.dtype, array.shape):
            return f"array {name or 'of it'}: {_shown(given)} would be {_shown(array)}"
        if not _equal(given, array):
            return f"array {name or 'of it'}: values would differ"
    lost = [f"{name}, {_shown(was[name])}" for name in was if name not in now]
    return f"array {'; '.join(lost)}, would be lost; save it elsewhere" if lost and not source.part else None


def _restored(unpacked: Unpacked) -> dict[str, np.ndarray]:
    parts: list[dict[str, Any]] = unpacked.about["parts"]
    rows = np.cumsum([0, *(part["shape"][0] for part in parts)])
    if rows[-1] != len(unpacked.x) or min(rows, default=0) < 0:
        raise CodeError(DAMAGED)
    found: dict[str, np.ndarray] = {}
    classes: dict[str, np.ndarray] = {}
    labels = unpacked.all_labels()
    for part, (start, end) in zip(parts, pairwise(rows.tolist()), strict=True):
        x = unpacked.x[start:end]
        found[part["name"]] = _as(part, x if part["axis"] == "first" else torch.movedim(x, 1, -1))
        if "labels" in part:
            assert labels is not None
            classes[part["labels"]["name"]] = _as(part["labels"], labels[start:end])
    return found | classes


def _as(kind: dict[str, Any], values: torch.Tensor) -> np.ndarray:
    dtype = np.dtype(kind["dtype"])
    if dtype.kind not in "buif":
        raise CodeError(DAMAGED)
    return values.numpy().reshape(kind["shape"]).astype(dtype)


def _type(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "shape": list(array.shape)}


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Also in the sign of zeros."""
    if one.dtype.kind == "f" and not np.array_equal(np.signbit(one), np.signbit(other)):
        return False
    return np.array_equal(one, other)


def _shown(array: np.ndarray) -> str:
    return f"{array.dtype} {tuple(array.shape)}"


def _read(path: Path) -> dict[str, np.ndarray]:
    content = np.load(path, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return {ALONE: content}
    with content:
        return {name: content[name] for name in content.files}
