"""What a reader found → a `Data`: domain, tensors, labels and splits, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from chainrule.data.conform import check_numbers, conform, conform_stream
from chainrule.data.dataset import SPLITS, Data
from chainrule.data.frames import Frames, check_whole
from chainrule.data.infer import infer_domain
from chainrule.data.mel import mel_frames
from chainrule.data.pcm import WINDOW, to_levels
from chainrule.data.raw import Raw
from chainrule.data.split import complete_splits
from chainrule.data.streams import Streams
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DataError

T = TypeVar("T")


def assemble(raw: Raw, domain: Domain | None, seed: int, features: tuple[int, int] | None = None) -> Data:
    """Make the data set of a reader's arrays.

    Args:
        raw: what was read.
        domain: the user's choice; None for the source's own, or the inferred one.
        seed: of the permutation, if splits are missing.
        features: (M, hop), of recordings: log-mel frames of so many bands and samples.

    Raises:
        DataError: if the arrays are no numbers, do not fit each other or the domain, or are too few.
    """
    if features is not None and raw.rate is None:
        raise DataError(f"{raw.where}: features are of recordings, expected none")
    if raw.streams:
        return _of_streams(raw, domain or raw.domain or WINDOW, seed, features)
    # Rows are named as they stand in the file, so all checks come before the split.
    told = domain or raw.domain
    gaps = bool(told and told.columns)
    for split, array in raw.arrays.items():
        _named(raw, split, check_numbers, array, gaps)
        if array.shape[1:] != raw.arrays["train"].shape[1:]:
            raise DataError(
                f"{raw.where}: {split}: expected items of shape {raw.arrays['train'].shape[1:]} as in train, "
                f"got {array.shape[1:]}"
            )
    chosen = told or _named(raw, None, infer_domain, list(raw.arrays.values()))
    splits = {split: _named(raw, split, conform, array, chosen) for split, array in raw.arrays.items()}
    splits, labels, how = _named(raw, None, complete_splits, splits, labels_of(raw), seed)
    return Data(
        name=raw.name,
        train=splits["train"],
        valid=splits["valid"],
        test=splits["test"],
        domain=chosen,
        labels={split: labels[split] for split in SPLITS if split in labels},
        class_names=raw.class_names,
        vocabulary=raw.vocabulary,
        source="; ".join(filter(None, (raw.where, raw.note, raw.split or how))),
    )


def _of_streams(raw: Raw, domain: Domain, seed: int, features: tuple[int, int] | None) -> Data:
    """Windows side by side as items, and the streams they are of."""
    splits: dict[str, Any] = {}
    streams, labels, frames = {}, {}, {}
    if features is not None:
        _named(raw, None, check_whole, domain, features[1])
    # Whole streams are put aside, never windows of them.
    given = {split: torch.arange(len(parts)) for split, parts in raw.streams.items()}
    codes = {split: torch.from_numpy(np.asarray(own, np.int64)) for split, own in raw.labels.items()}
    chosen, codes, how = _named(raw, None, complete_splits, given, codes, seed)
    for split, places in chosen.items():
        parts = raw.streams[split if split in raw.streams else "train"]
        parts = [parts[i] for i in places.tolist()]
        ends = np.cumsum([0, *(len(part) for part in parts)])
        steps = np.concatenate(parts)
        if raw.rate is not None:
            steps = _named(raw, None, to_levels, steps, domain)
        values = _named(raw, split, conform_stream, steps, domain)
        own = codes.get(split)
        beside = None if features is None else _named(raw, None, _frames, parts, raw.rate, *features)
        streams[split] = Streams(values, torch.from_numpy(ends), own, beside)
        windows = streams[split].disjoint(domain)
        if not len(windows.x):
            raise DataError(
                f"{raw.where}: {split}: all sequences are shorter than a window of {domain.steps}"
            )
        splits[split] = windows.x
        if own is not None:
            labels[split] = own[windows.stream]
        if beside is not None:
            frames[split] = beside.cut(windows.stream, windows.start, domain.steps)
    return Data(
        raw.name,
        splits["train"],
        splits["valid"],
        splits["test"],
        domain=domain,
        labels=labels,
        frames=frames,
        class_names=raw.class_names,
        label_names=raw.label_names,
        rate=raw.rate,
        vocabulary=raw.vocabulary,
        source="; ".join(filter(None, (raw.where, raw.note, raw.split or how))),
        streams=streams,
    )


def _frames(parts: Sequence[np.ndarray], rate: int, bands: int, hop: int) -> Frames:
    """Of recordings (T,)."""
    return Frames.of([torch.from_numpy(mel_frames(samples, rate, bands, hop)) for samples in parts], hop)


def _named(raw: Raw, split: str | None, function: Callable[..., T], *arguments: object) -> T:
    """Call the function; an error it raises names the source, and the split if there are several."""
    try:
        return function(*arguments)
    except ChainruleError as error:
        place = f"{split}: " if split and len(raw.arrays) > 1 else ""
        raise DataError(f"{raw.where}: {place}{error}") from error


def labels_of(raw: Raw) -> dict[str, Tensor]:
    """Split → int64 (N,); labels of every split or of none.

    Raises:
        DataError: if they are no labels, or not one per row.
    """
    labels = {}
    for split, array in raw.arrays.items():
        if not raw.labels:
            break
        if split not in raw.labels:
            raise DataError(f"{raw.where}: {', '.join(raw.labels)} has labels but {split} has none")
        given = np.asarray(raw.labels[split])
        place = f"{raw.where}: labels of {split}"
        if given.dtype.kind not in "bui":
            raise DataError(f"{place}: expected integers, got {given.dtype}; save the file without them")
        if given.shape != (len(array),):
            raise DataError(f"{place}: expected one per row, shape ({len(array)},), got {given.shape}")
        labels[split] = torch.from_numpy(given.astype(np.int64))
        if labels[split].min() < 0:
            raise DataError(f"{place}: expected integers from 0, got {labels[split].min()}")
    return labels
