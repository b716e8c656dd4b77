"""What is in memory already, as a source: arrays, tensors, frames, and sets of the package `datasets`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chainrule.data.labels import label_codes
from chainrule.data.notes import Notes, listed
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.arrow import as_arrow
from chainrule.data.readers.frame import is_frame
from chainrule.data.readers.hub import raw_of_hub
from chainrule.data.readers.naming import header_of, raw_of_arrays
from chainrule.data.readers.table import raw_of_tables
from chainrule.data.readers.tree import split_of
from chainrule.data.reading import Reading
from chainrule.errors import DataError

WANTED = (
    "an array, a tensor, a frame, a list of dictionaries, a pair (x, y) of items and labels, or a dict of arrays or "
    "frames such as {'train': …, 'test': …}"
)


def raw_of_object(source: Any, how: Reading) -> Raw:
    """Read arrays of NumPy or another library that NumPy understands, torch's tensors, frames, or several of them.

    Args:
        source: items (N, …); what `is_frame`, with an item a row, such as a frame of pandas, polars or duckdb, a list
            of dictionaries, an array of records or of objects; a pair (x, y) of these and their labels (N,), numbers
            from 0 or names; a dict of arrays, which is read as an .npz is; a dict of frames, one for each split; a
            `Dataset` or a `DatasetDict`.
        how: of frames, see `raw_of_tables`.

    Raises:
        DataError: if it is none of these, or holds no numbers.
    """
    if type(source).__module__.partition(".")[0] == "datasets":
        return raw_of_hub("dataset", "dataset", source, how)
    if is_frame(source):
        return _of_frames("frame", {"train": source}, how)
    if isinstance(source, tuple):
        if len(source) != 2:
            raise DataError(f"data: expected {WANTED}, got a tuple of {len(source)}")
        raw = raw_of_object(source[0], how)
        if raw.labels or list(raw.arrays) != ["train"]:
            raise DataError(
                f"pair: expected the items of one array or frame, got {raw.where} with splits or labels"
            )
        raw.labels = {"train": _labels(raw, source[1])}
        return raw
    if isinstance(source, Mapping):
        return _of_parts(source, how)
    return Raw("array", "array", {"train": _array("array", source)})


def named_source(source: Any) -> str:
    """What messages call a source: its name or path, or the type of what is in memory."""
    return str(source) if isinstance(source, str | Path) else type(source).__name__


def _of_parts(source: Mapping, how: Reading) -> Raw:
    frames = {name: part for name, part in source.items() if is_frame(part)}
    if frames:
        splits = {name: split_of(str(name)) for name in source}
        known = [split for split in splits.values() if split]
        if len(frames) != len(source) or len(set(known)) != len(source):
            raise DataError(f"frames: expected train, valid or test, each a frame, got {listed(source)}")
        return _of_frames("frames", {str(splits[name]): frame for name, frame in frames.items()}, how)
    arrays = {str(name): _array(f"array {name!r}", part) for name, part in source.items()}
    headers = {name: header_of(array) for name, array in arrays.items()}
    return raw_of_arrays("arrays", "arrays", headers, arrays.__getitem__)


def _of_frames(name: str, frames: dict[str, Any], how: Reading) -> Raw:
    notes = Notes()
    tables = {split: as_arrow(frame, notes=notes) for split, frame in frames.items()}
    raw = raw_of_tables(name, name, tables, how)
    raw.notes.add(notes)
    return raw


def _labels(raw: Raw, given: Any) -> np.ndarray:
    """Numbers as they are; of names the codes, whose classes go into `raw`."""
    labels = _array("labels", given)
    if labels.dtype.kind not in "OUS" or not labels.size:
        return labels
    texts = [str(text) for text in labels.ravel().tolist()]
    codes, classes = label_codes({"label": texts})
    raw.class_names = classes[0]
    return codes[:, 0].reshape(labels.shape)


def _array(where: str, source: Any) -> np.ndarray:
    if isinstance(source, str | bytes | set | dict | None) or callable(source):
        raise DataError(f"{where}: expected {WANTED}, got {type(source).__name__}")
    with reading(where):
        if isinstance(source, torch.Tensor):
            tensor = source.detach().cpu()
            source = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor.resolve_conj()).numpy()
        return np.array(source)  # of its own: the user may go on writing into his
