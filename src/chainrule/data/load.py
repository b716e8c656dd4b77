"""`load_data`: from a name, a path or a hub address to a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from chainrule.data.arrays import read_arrays
from chainrule.data.assemble import assemble, labels_of
from chainrule.data.conform import check_numbers, conform
from chainrule.data.dataset import SPLITS, Data
from chainrule.data.hub import needs_hub, read_hub
from chainrule.data.images import SUFFIXES as IMAGES
from chainrule.data.images import read_images, read_picture
from chainrule.data.labels import pick_labels
from chainrule.data.named import NAMED, read_named
from chainrule.data.raw import Raw, reading
from chainrule.data.recordings import at_rate, read_recordings
from chainrule.data.sound import SUFFIXES as SOUNDS
from chainrule.data.table import read_table
from chainrule.data.text import as_bytes, of_bytes, read_text
from chainrule.data.tree import files_below
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DataError, nearest

HUB = "hf:"
SUFFIXES = (".npy", ".npz", ".csv", ".txt", ".parquet")


def load_data(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    domain: Domain | str | dict | None = None,
    columns: Mapping[str, str] | None = None,
    rate: int | None = None,
    labels: Sequence[str] | None = None,
    features: Sequence[int] | None = None,
    seed: int = 0,
) -> Data:
    """Load a named set, a file or folder of your own, or a set of the Hugging Face hub.

    Args:
        source: a name of `list_data()`; the path of a .npy, .npz, .csv, .txt or .parquet file or of a
            folder of images or of recordings; or "hf:" and the name of a set on the hub (or a path in its formats). A
            name wins over a file of that name; write "./digits" for the file.
        data_dir: where named sets lie; see `data_folder`.
        domain: what the items are, where the guess from shape and values is not what you mean. Items
            are reshaped if the sizes allow it, and checked. Also as text, or as `Domain.to_json` gives it.
        columns: of a table: name → "categorical", "integer" or "real", where the guess from the cells is not what
            you mean. Given, if only as {}, it makes a domain of columns even of small whole numbers.
        rate: of recordings: Hz to resample them to; their own by default.
        labels: the names of those to keep, where items have several labels, such as digit and speaker; all by default.
        features: (M, hop), of recordings: beside each item its log-mel frames, M bands for every hop samples, which a
            conditional model is told in place of labels; see `chainrule.data.mel`.
        seed: of the permutation that splits a source without splits of its own 80/10/10.

    Raises:
        DataError: if the source is unknown, missing, empty, unreadable, or does not fit the domain or the columns.
        DomainError: if `domain` is a text that is no domain.
        MissingExtraError: if the source needs a package that is not installed.

    Example:
        >>> print(load_data("digits"))
        digits: image:1x8x8:17, 1000 train, 350 valid, 447 test, 10 classes
    """
    if isinstance(domain, dict):
        domain = Domain.from_json(domain)
    chosen = Domain.parse(domain) if isinstance(domain, str) else domain
    if columns is not None and chosen is not None:
        raise DataError(f"{source}: expected the kinds of columns or a domain, got both")
    if rate is not None and (type(rate) is not int or rate < 1):
        raise DataError(f"rate: expected Hz, an integer ≥ 1, got {rate!r}")
    told = None if features is None else _bands_and_hop(features)
    raw = _read(source, data_dir, chosen, columns, rate)
    if rate is not None:
        at_rate(raw, rate)
    pick_labels(raw, labels)
    data = assemble(raw, chosen, seed, told)
    if columns is not None and not data.domain.columns:
        raise DataError(f"{source}: kinds of columns are for tables, got {data.domain}")
    origin: dict = {"source": str(source), "seed": seed}
    if columns is not None:
        origin["columns"] = dict(columns)
    if rate is not None:
        origin["rate"] = rate
    if labels is not None:
        origin["labels"] = list(labels)
    if told is not None:
        origin["features"] = list(told)
    if chosen is not None:
        # Plain lists and texts: a configuration keeps them as YAML and compares them.
        origin["domain"] = json.loads(json.dumps(chosen.to_json())) if chosen.columns else str(chosen)
    return replace(data, origin=origin)


def _bands_and_hop(features: Sequence[int]) -> tuple[int, int]:
    numbers = list(features) if isinstance(features, Sequence) else []
    if len(numbers) != 2 or any(type(number) is not int or number < 1 for number in numbers):
        raise DataError(f"features: expected (bands, samples) of a frame, integers ≥ 1, got {features!r}")
    return numbers[0], numbers[1]


def load_items(
    source: str | Path,
    domain: Domain,
    *,
    split: str = "test",
    data_dir: str | Path | None = None,
    rate: int | None = None,
) -> Tensor:
    """The items of a source that lie in a known domain, for a model of that domain to work on.

    Args:
        source: as for `load_data`, or one image file, whose shades are rounded to the domain's levels.
        domain: of the items.
        split: which one, where the source has splits of its own; a source without is taken whole.
        data_dir: where named sets lie.
        rate: of recordings, if it is these: Hz to resample them to.

    Returns:
        (N, *event_shape).

    Raises:
        DataError: if the source is unknown, missing, unreadable, or does not fit the domain.
    """
    return _items(source, domain, split, data_dir, rate)[0]


def load_labelled(
    source: str | Path,
    domain: Domain,
    classes: int,
    *,
    split: str = "test",
    data_dir: str | Path | None = None,
    rate: int | None = None,
    label: str | None = None,
) -> tuple[Tensor, Tensor | None]:
    """`load_items`, and the label of each item (N,), for a model of so many classes.

    The labels are None where the source has none, or names another number of classes; where it has several, they are
    those of the name `label`.

    Raises:
        DataError: as `load_items`; or if there is no such split, or the labels are none of these classes.
    """
    if split not in SPLITS:
        raise DataError(f"split {split!r}: no such split; {nearest(split, SPLITS)}")
    items, raw = _items(source, domain, split, data_dir, rate)
    if raw is not None:
        pick_labels(raw, [label] if label in raw.label_names else None)
    if (
        raw is None
        or len(raw.label_names) > 1
        or (raw.class_names is not None and len(raw.class_names) != classes)
    ):
        return items, None
    if raw.streams:
        labels = assemble(raw, domain, 0).labels.get(split)
    else:
        labels = labels_of(raw).get(split if split in raw.arrays else "train")
    if labels is not None and labels.max() >= classes:
        raise DataError(f"{raw.where}: labels: expected classes in [0, {classes}), got {labels.max()}")
    return items, labels


def _items(
    source: str | Path, domain: Domain, split: str, data_dir: str | Path | None, rate: int | None
) -> tuple[Tensor, Raw | None]:
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() in IMAGES:
        return read_picture(path, domain), None
    raw = _read(source, data_dir, domain, rate=rate)
    if rate is not None and raw.rate is not None:
        at_rate(raw, rate)
    if raw.streams:
        return assemble(raw, domain, 0).split(split)[0], raw
    array = raw.arrays.get(split, raw.arrays["train"])
    try:
        check_numbers(array, gaps=bool(domain.columns))
        return conform(array, domain), raw
    except ChainruleError as error:
        raise DataError(f"{raw.where}: {error}") from error


def _read(
    source: str | Path,
    data_dir: str | Path | None,
    domain: Domain | None,
    columns: Mapping[str, str] | None = None,
    rate: int | None = None,
) -> Raw:
    if isinstance(source, str) and source.startswith(HUB):
        return read_hub(source.removeprefix(HUB), source, domain, columns)
    if isinstance(source, str) and source in NAMED:
        raw = read_named(source, data_dir)
        return as_bytes(raw) if of_bytes(domain) and raw.streams and raw.vocabulary else raw
    if not str(source).strip():
        raise DataError("data: expected a name or a path, got an empty text")
    path = Path(source).expanduser()
    if path.is_dir():
        return _read_folder(path, rate)
    suffix = path.suffix.lower()
    if not path.exists():
        if isinstance(source, Path) or suffix in SUFFIXES or len(path.parts) != 1:
            raise DataError(f"{path}: no such file or folder")
        raise DataError(f"data {source!r}: neither a named set nor a file; {nearest(source, NAMED)}")
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise DataError(
            f"{path}: expected a folder of images or recordings, or one of {known}, got {suffix or 'no suffix'}"
        )
    with reading(str(path)):
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty")
    if suffix == ".parquet" and needs_hub(path):
        return read_hub(str(path), str(path), domain, columns)
    if suffix in (".csv", ".parquet"):
        return read_table(path, domain, columns)
    if suffix == ".txt":
        return read_text(path, domain)
    return read_arrays(path)


def _read_folder(folder: Path, rate: int | None) -> Raw:
    """Of images, or of recordings."""
    with reading(str(folder)):
        images, sounds = (bool(files_below(folder, suffixes)) for suffixes in (IMAGES, SOUNDS))
    if images == sounds:
        raise DataError(
            f"{folder}: holds {'both' if images else 'no'} images ({', '.join(IMAGES)}) "
            f"{'and' if images else 'or'} recordings ({', '.join(SOUNDS)})"
        )
    return read_images(folder) if images else read_recordings(folder, rate)
