"""`load_data` and `load_items`: from a name, a path or a hub address to a data set, or to items for a known model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.alphabet import renumber, tokenise
from chainrule.data.assemble import assemble, splits_of, whole
from chainrule.data.axes import settle_axes
from chainrule.data.dataset import Data
from chainrule.data.fingerprint import origin_of
from chainrule.data.items import Items
from chainrule.data.labels import match_classes, pick_labels
from chainrule.data.raw import Raw
from chainrule.data.readers.formats import read_source
from chainrule.data.readers.hub import read_hub
from chainrule.data.readers.kinds import check_options
from chainrule.data.readers.memory import named_source, raw_of_object
from chainrule.data.readers.recordings import at_rate
from chainrule.data.readers.text import as_bytes, of_bytes
from chainrule.data.reading import Reading
from chainrule.data.sets.named import NAMED, read_named
from chainrule.domain import Domain
from chainrule.errors import DataError, nearest
from chainrule.files import HUB, check_there


def load_data(
    source: Any, *, data_dir: str | Path | None = None, checksum: str | None = None, **options: Any
) -> Data:
    """Load a named set, a file or folder of your own, a set of the Hugging Face hub, or what is in memory, to train on.

    Args:
        source: a name of `list_data()`; the path of an array, a table, an image, a text, a recording or a MIDI file
            (see `READERS`), or of a folder of images, recordings, MIDI files or texts; "hf:" and the name of a
            set on the hub (or a path in its formats); or arrays, tensors, frames, see `raw_of_object`. A name wins over
            a file of that name; write "./digits" for the file.
        data_dir: where named sets lie; see `data_folder`.
        checksum: of the files, as `Data.origin` keeps it: if they have changed, they are refused.
        **options: how to read it, where what is inferred is not what you mean:

            - domain (`Domain`, text or dict): what the items are. They are reshaped if the sizes allow it, and checked.
            - columns (dict): of a table, name → a kind, see `find_columns`. Given, if only as {}, it makes a
              domain of columns even of small whole numbers.
            - rate (int): of recordings, Hz to resample them to; by default the rate that the most seconds of them have.
            - gain (float): of recordings, what amplitudes are multiplied by; by default 1, or if some are beyond full
              scale what makes the largest of all of them full scale. `Data.origin` keeps it for new data.
            - labels (list): the names of those to keep, where items have several, such as digit and speaker, all by
              default; or of a table the columns that are labels and not data.
            - features (M, hop): of recordings, beside each item its log-mel frames, M bands for every hop samples,
              which a conditional model is given in place of labels; see `chainrule.data.mel`.
            - encoding (str): of texts and .csv files that have no mark at their start and are not UTF-8.
            - delimiter (str): of a .csv file, the character between two cells.
            - header (bool): of a .csv file, whether its first line has the names of the columns.
            - na_values (list): of a .csv file, the texts of missing cells, in place of "", "NA", "NaN" and the like.
            - resolution (int): of MIDI files, steps a quarter note; 4 by default.
            - tracks (list): of MIDI files, names or numbers (from 0) of the tracks to read; by default all notes but
              those of drums.
            - size (H, W), "HxW" or one number: of pictures, what each is brought to.
            - fit: how; "crop", by default, fills the size and cuts what stands out; "pad" shows all, on the background;
              "stretch" changes the proportions.
            - mode: of pictures, "L" for grey, "RGB", "LA" or "RGBA" with transparency, "1" for black and white, or
              "I;16" for grey of 16 bits; by default grey if all are, else RGB.
            - background (text): what transparent pictures lie on, such as "white", the default, or "#80ff00".
            - frames: "first", by default, or "all", of animated pictures and of those with several pages.
            - axes (text): of arrays, the order of their axes out of N, C, H and W, such as "NHWC".
            - in_parts (bool): whether items stay in their files and are read when they are asked for; by default those
              that would take more than 1 GiB, and more than 20,000 pictures.
            - seed (int): of the permutation that splits a source without splits of its own 80/10/10.

    Raises:
        DataError: if the source is unknown, missing, empty, unreadable, or does not fit the domain or the columns.
        DomainError: if `domain` is a text that is not a domain.
        MissingExtraError: if the source needs a package that is not installed.

    Example:
        >>> print(load_data("digits"))
        digits: image:1x8x8:17, 1000 train, 350 valid, 447 test, 10 classes
    """
    how, what = Reading.of(options), named_source(source)
    if how.columns is not None and how.domain is not None:
        raise DataError(f"{what}: expected the kinds of columns or a domain, got both")
    raw = _read(source, data_dir, how)
    check_options(raw, how)
    how = replace(how, **raw.chosen)
    _settle(raw, how)
    data = assemble(raw, how)
    if how.columns is not None and not data.domain.columns:
        raise DataError(f"{what}: kinds of columns are for tables, got {data.domain}")
    if not isinstance(source, str | Path):
        return data
    return replace(data, origin={**origin_of(source, checksum, raw.listing), **how.to_dict()})


def load_items(
    source: Any,
    how: Reading | Domain,
    *,
    split: str | None = None,
    prefer: str | None = None,
    cut: bool = True,
    labels: bool | None = True,
    data_dir: str | Path | None = None,
) -> Items:
    """The items of a source, read by the codes of a run, for its model to work on.

    Args:
        source: as for `load_data`. Pictures are brought to the domain's levels.
        how: the codes, such as `Run.reading`; a domain alone for a model without any.
        split: "train", "valid" or "test", its own or, for a source without, as it would be cut to train on; None takes
            all of the source.
        prefer: the split that is taken where there is one and none is asked for.
        cut: whether to cut a source without splits of its own, or else to refuse.
        labels: whether those of other classes than the codes' are an error; None leaves them out and says so, False
            reads none.
        data_dir: where named sets lie.

    Raises:
        DataError: if the source is unknown, missing, unreadable, does not fit the domain, or holds characters or
            classes that the codes do not know.
    """
    how = Reading(domain=how) if isinstance(how, Domain) else how
    if split is None:  # all items in their order; a split that is cut is that of the training
        how = replace(how, in_parts=False)
    raw = _read(source, data_dir, how)
    if labels is False:
        raw.labels = {}
    own = tuple(name for name in how.labels or () if name in raw.label_names) or None
    _settle(raw, replace(how, labels=own), strict=labels is True)
    there = raw.streams or raw.arrays if cut else splits_of(raw, split)
    if split is None and prefer in there and len(there) > 1:
        split = prefer
    if split is None or split in there:
        return whole(raw, how, split)
    return assemble(raw, how).items(split)


def load_streams(
    source: Any, how: Reading, *, split: str | None = None, data_dir: str | Path | None = None
) -> list[np.ndarray]:
    """The long sequences of a source, (T,) or (T, K) each, by the codes of a run, and not cut into windows.

    Args:
        source, how, split, data_dir: as for `load_items`.

    Raises:
        DataError: as `load_items`; or if it is not a source of sequences.
    """
    assert how.domain is not None
    one_step = replace(how.domain, event_shape=(1, *how.domain.event_shape[1:]))  # none is too short
    how = replace(how, domain=one_step, in_parts=False)
    raw = _read(source, data_dir, how)
    _settle(raw, how)
    if not raw.streams:
        raise DataError(f"{raw.where}: expected a text, recordings or music, got items")
    return [part for name in splits_of(raw, split) for part in raw.streams[name]]


def _settle(raw: Raw, how: Reading, strict: bool = True) -> None:
    """Bring what was read to the rate, labels, characters and classes that are asked for."""
    if how.rate is not None and raw.rate is not None:
        at_rate(raw, how.rate)
    settle_axes(raw, how)
    pick_labels(raw, how.labels)
    if how.tokens is not None and raw.vocabulary is not None:
        tokenise(raw, how.tokens)
    if how.vocabulary is not None and raw.vocabulary is not None:
        renumber(raw, how.vocabulary, how.unknown, how.domain)
    if how.classes:
        try:
            match_classes(raw, how.classes)
        except DataError as error:
            if strict:
                raise
            raw.labels = {}
            raw.notes.ignored.append(f"labels: {error}")


def _read(source: Any, data_dir: str | Path | None, how: Reading) -> Raw:
    if not isinstance(source, str | Path):
        return raw_of_object(source, how)
    if isinstance(source, str) and source.startswith(HUB):
        return read_hub(source.removeprefix(HUB), source, how)
    if isinstance(source, str) and source in NAMED:
        raw = read_named(source, data_dir)
        return as_bytes(raw) if of_bytes(how.domain) and raw.streams and raw.vocabulary else raw
    if not str(source).strip():
        raise DataError("data: expected a name or a path, got an empty text")
    check_there(source)
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"data {source!r}: neither a named set nor a file; {nearest(str(source), NAMED)}")
    return read_source(path, how)
