"""Sets without a file of the user's: their items, their labels, and the long sequences of which they are windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.coding.about import described
from chainrule.data.assemble import splits_of
from chainrule.data.pcm import to_samples
from chainrule.data.sets.named import read_named
from chainrule.tasks.packing.source import Source, Unpacked, write_arrays
from chainrule.tasks.packing.streams import check_samples
from chainrule.tasks.packing.windows import joined


def describe(source: Source) -> dict:
    """The labels, unless they are coded; and how long each sequence is."""
    streams = source.items.streams
    labels = {} if source.stored_labels is None else {"labels": source.stored_labels}
    return labels if streams is None else {**labels, "lengths": streams.lengths.tolist()}


def endings(about: dict) -> tuple[str, ...]:
    """One array, or several."""
    return (".npz",) if "labels" in about or "lengths" in about else (".npz", ".npy")


def write(unpacked: Unpacked, out: Path) -> None:
    """Arrays x, of sequences one after another with their lengths, and y."""
    labels, run = unpacked.all_labels(), unpacked.run
    arrays = {"x": unpacked.x.numpy()}
    if "lengths" in unpacked.about:
        with described():
            lengths = unpacked.about["lengths"]
            parts, first = joined(unpacked.x, lengths, run.model.domain)
        whole = np.concatenate(parts)
        arrays = {
            "x": whole if run.rate is None else to_samples(whole, run.model.domain),
            "lengths": np.array(lengths),
        }
        labels = None if labels is None else labels[first]
    if labels is not None:
        arrays["y"] = labels.numpy()
    if out.suffix.lower() == ".npz":
        write_arrays(out, arrays)
    else:
        with out.open("wb") as file:
            np.save(file, arrays["x"])


def difference(source: Source, out: Path) -> str | None:
    """Whether the numbers are those that the set has."""
    raw = read_named(source.name, source.data_dir)
    splits = splits_of(raw, None if source.items.split == "all" else source.items.split)
    parts = [part for name in splits for part in (raw.streams[name] if raw.streams else [raw.arrays[name]])]
    given = np.concatenate(parts)
    with np.load(out, allow_pickle=False) as file:
        found = file["x"]
    if source.part:
        given, found = given.ravel()[: found.size], found.ravel()
    if raw.rate is not None and len(found) == len(given):
        check_samples(Path(source.name), given, found)
    same = given.size == found.size and np.array_equal(given, found.reshape(given.shape))
    return None if same else "its numbers would differ"
