"""What a reader found → a `Data` to train on, or the `Items` of a verb: domain, tensors, labels and splits, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from chainrule.data.conform import check_numbers, conform, conform_stream
from chainrule.data.dataset import SPLITS, Data
from chainrule.data.frames import Frames, check_whole
from chainrule.data.infer import infer_domain
from chainrule.data.items import Items
from chainrule.data.large.arrays import ArrayRows
from chainrule.data.large.recordings import Recorded, Recording
from chainrule.data.large.stored import Stored, loaded
from chainrule.data.mel import mel_frames
from chainrule.data.notes import counted
from chainrule.data.pcm import WINDOW, to_levels
from chainrule.data.raw import Raw
from chainrule.data.reading import Reading
from chainrule.data.split import complete_splits, cut_streams
from chainrule.data.streams import Streams, Windows
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DataError, nearest

T = TypeVar("T")


def assemble(raw: Raw, how: Reading) -> Data:
    """Make the data set of what a reader found, in three splits.

    Raises:
        DataError: if the arrays are not numbers, do not fit each other or the domain, or are too few.
    """
    if "train" not in (raw.streams or raw.arrays):
        raise DataError(
            f"{raw.where}: has {', '.join(raw.streams or raw.arrays)} but no train; expected a split to train on"
        )
    domain = _domain(raw, how)
    parts: Mapping[str, Items]
    if raw.streams:
        given, labels, split = _named(
            raw, None, cut_streams, raw.streams, _stream_labels(raw), domain, how.seed
        )
        raw.streams = {}  # each is let go once it is a part
        parts = {
            name: _of_streams(raw, name, given.pop(name), labels.get(name), domain, how) for name in SPLITS
        }
    else:
        x, labels, split = _named(raw, None, complete_splits, _arrays(raw, domain), labels_of(raw), how.seed)
        parts = {name: Items(raw.name, x[name], domain, labels=labels.get(name)) for name in SPLITS}
    return Data(
        raw.name,
        parts["train"].x,
        parts["valid"].x,
        parts["test"].x,
        domain=domain,
        labels=_present(parts, "labels"),
        frames=_present(parts, "frames"),
        streams=_present(parts, "streams"),
        class_names=raw.class_names,
        label_names=raw.label_names,
        rate=raw.rate,
        vocabulary=raw.vocabulary,
        source="; ".join(filter(None, (raw.where, raw.note, raw.split or split))),
        notes=raw.notes,
        carried=raw.carried,
    )


def whole(raw: Raw, how: Reading, split: str | None = None) -> Items:
    """All that a reader found as the items of a known domain; or one split, of a source that has it.

    Raises:
        DataError: as `assemble`.
    """
    domain = _domain(raw, how)
    there = list(raw.streams or raw.arrays) if split is None else [split]
    names = tuple(name for part in there for name in raw.items.get(part, ()))
    if raw.streams:
        labels = _stream_labels(raw)
        streams = [part for name in there for part in raw.streams[name]]
        codes = torch.cat([labels[name] for name in there]) if labels.keys() >= set(there) else None
        items = _of_streams(raw, split, streams, codes, domain, how, names)
    else:
        arrays, labels = _arrays(raw, domain, there), labels_of(raw)
        codes = torch.cat([labels[name] for name in there]) if labels.keys() >= set(there) else None
        x = torch.cat([loaded(arrays[name], raw.where) for name in there])
        beside = _joined(raw, there) if raw.beside else None
        items = Items(raw.name, x, domain, labels=codes, names=names, beside=beside)
    return replace(items, split=split or "all", notes=raw.notes)


def _joined(raw: Raw, splits: Sequence[str]) -> pa.Table:
    """The columns that are not modelled, of all these splits."""
    return pa.concat_tables([raw.beside[name] for name in splits], promote_options="permissive")


def splits_of(raw: Raw, split: str | None) -> list[str]:
    """All splits of a source, or the one of its own that is asked for.

    Raises:
        DataError: if there is no such split.
    """
    there = list(raw.streams or raw.arrays)
    if split is None:
        return there
    if split not in SPLITS:
        raise DataError(f"split {split!r}: no such split; {nearest(split, SPLITS)}")
    if split not in there:
        has = f"only {', '.join(there)}" if len(there) > 1 else "none, it is taken whole"
        raise DataError(f"{raw.where}: has no split {split!r} of its own ({has}); leave out --split")
    return [split]


def _domain(raw: Raw, how: Reading) -> Domain:
    """What the user says, or the source, or its values."""
    if raw.streams:
        return how.domain or raw.domain or WINDOW
    chosen, first = how.domain or raw.domain, next(iter(raw.arrays))
    # Rows are named as they stand in the file, so all checks come before the split.
    for split, array in raw.arrays.items():
        if isinstance(array, Stored):
            continue
        _named(raw, split, check_numbers, array, bool(chosen and chosen.columns))
        if array.shape[1:] != raw.arrays[first].shape[1:]:
            raise DataError(
                f"{raw.where}: {split}: expected items of shape {raw.arrays[first].shape[1:]} as in {first}, "
                f"got {array.shape[1:]}"
            )
    if chosen is not None:
        return chosen
    shown = [
        _named(raw, split, array.extremes) if isinstance(array, ArrayRows) else array
        for split, array in raw.arrays.items()
    ]
    return _named(raw, None, infer_domain, shown)


def _arrays(raw: Raw, domain: Domain, splits: Sequence[str] | None = None) -> dict[str, Tensor]:
    tensors = {}
    for split in splits or raw.arrays:
        if isinstance(raw.arrays[split], Stored):
            tensors[split] = _named(raw, split, raw.arrays[split].conformed, domain)
            continue
        tensors[split] = _named(raw, split, conform, raw.arrays[split], domain)
        raw.arrays[split] = tensors[split].numpy()  # what was read is let go, where this is a copy of it
    return tensors


def _of_streams(
    raw: Raw,
    split: str | None,
    parts: list[np.ndarray],
    labels: Tensor | None,
    domain: Domain,
    how: Reading,
    names: Sequence[str] | None = None,
) -> Items:
    """Windows side by side as items, and the streams they are of.

    Args:
        raw, split: for messages.
        parts: the streams.
        labels: of each, or None.
        domain: of the windows.
        how: whether there are features.
        names: of each stream, or none; each step must then be in a window, and the last of a stream may overlap the one
            before it. None for windows side by side.
    """
    ends = np.cumsum([0, *(len(part) for part in parts)])
    if isinstance(parts[0], Recording):
        values = _named(raw, split, Recorded, parts, domain)
        if how.features is not None:
            raise DataError(f"{raw.where}: features of recordings that are read in parts are not supported")
    else:
        steps = np.concatenate(parts) if len(parts) > 1 else parts[0]
        if raw.rate is not None:
            steps = _named(raw, None, to_levels, steps, domain)
        values = _named(raw, split, conform_stream, steps, domain)
    frames = None
    if how.features is not None:
        if raw.rate is None:
            raise DataError(f"{raw.where}: features are for recordings, expected none")
        _named(raw, None, check_whole, domain, how.features[1])
        frames = _named(raw, None, _frames, parts, raw.rate, *how.features)
    streams = Streams(values, torch.from_numpy(ends), labels, frames, tuple(names or ()))
    whole = names is not None
    windows = _named(raw, None, streams.sliding, domain, 0) if whole else streams.disjoint(domain)
    if not len(windows.x):
        raise DataError(
            f"{raw.where}: {split}: all sequences are shorter than a window of {domain.steps}; "
            f"name a shorter window with --domain"
        )
    if whole and (overlaps := int((windows.first > 0).sum())):
        raw.notes.found.append(
            f"{overlaps:,} of {counted(len(windows.x), 'window')} {'overlaps' if overlaps == 1 else 'overlap'} the one "
            f"before, so that no step is left out"
        )
    return Items(
        raw.name,
        loaded(windows.x, raw.where) if whole else windows.x,
        domain,
        labels=None if labels is None else labels[windows.stream],
        frames=None if frames is None else frames.cut(windows.stream, windows.start, domain.steps),
        streams=streams,
        names=_window_names(names, windows) if names else (),
    )


def _window_names(names: Sequence[str], windows: Windows) -> tuple[str, ...]:
    """The name of each window: that of its stream, and where the window begins if there are several."""
    counts = torch.bincount(windows.stream, minlength=len(names)).tolist()
    return tuple(
        f"{names[i]}:{start}" if counts[i] > 1 else names[i]
        for i, start in zip(windows.stream.tolist(), windows.start.tolist(), strict=True)
    )


def _frames(parts: Sequence[np.ndarray], rate: int, bands: int, hop: int) -> Frames:
    """The frames of recordings (T,)."""
    return Frames.of([torch.from_numpy(mel_frames(samples, rate, bands, hop)) for samples in parts], hop)


def _present(parts: Mapping[str, Items], name: str) -> dict[str, Any]:
    """Split → what there is of this name."""
    return {split: value for split, items in parts.items() if (value := getattr(items, name)) is not None}


def _named(raw: Raw, split: str | None, function: Callable[..., T], *arguments: object) -> T:
    """Call the function; an error it raises names the source, and the split if there are several."""
    try:
        return function(*arguments)
    except ChainruleError as error:
        place = f"{split}: " if split and len(raw.arrays) > 1 else ""
        raise DataError(f"{raw.where}: {place}{error}") from error


def _stream_labels(raw: Raw) -> dict[str, Tensor]:
    """Split → int64 (n,) or (n, k), of its streams."""
    return {split: torch.from_numpy(np.asarray(own, np.int64)) for split, own in raw.labels.items()}


def labels_of(raw: Raw) -> dict[str, Tensor]:
    """Split → int64 (N,), or (N, k) of several labels; of all splits or of none, but test may lack them.

    Raises:
        DataError: if they are not labels, or not one per row.
    """
    labels = {}
    for split, array in raw.arrays.items():
        if split not in raw.labels:
            if raw.labels and split != "test":
                raise DataError(f"{raw.where}: {', '.join(raw.labels)} has labels but {split} has none")
            continue
        given = np.asarray(raw.labels[split])
        place = f"{raw.where}: labels of {split}"
        if given.dtype.kind not in "bui":
            raise DataError(f"{place}: expected integers, got {given.dtype}; save the file without them")
        shape = (len(array), len(raw.label_names)) if len(raw.label_names) > 1 else (len(array),)
        if given.shape != shape:
            raise DataError(f"{place}: expected one per row, shape {shape}, got {given.shape}")
        labels[split] = torch.from_numpy(given.astype(np.int64))
        if labels[split].min() < 0:
            raise DataError(f"{place}: expected integers from 0, got {labels[split].min()}")
    return labels
