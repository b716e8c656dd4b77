"""Sets of the Hugging Face hub that stay there: row groups of their Parquet files are read when they are asked for.

`datasets` in streaming mode goes through files from front to back; a set's Parquet files, read by ranges through the
same fsspec, give any row group at any time, and with them exact epochs, for any number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.data.large.pictures import Decoder, look_at_some
from chainrule.data.large.read_tables import read_in_parts
from chainrule.data.large.stored import Blocks
from chainrule.data.large.tables import Part, parts_of
from chainrule.data.notes import counted
from chainrule.data.raw import Raw, reading
from chainrule.data.reading import Reading
from chainrule.domain import Domain
from chainrule.errors import DataError, optional_import


def read_hub_in_parts(raw: Raw, builder: Any, how: Reading, splits: dict[str, str]) -> Raw:
    """Read a set of images or a table.

    Args:
        raw: to fill.
        builder: of `datasets`.
        how: as for what is read whole.
        splits: our name of each split → the hub's.

    Raises:
        DataError: if its files are not Parquet, or it has no train split.
    """
    datasets = optional_import("datasets", "hub")
    files = {split: list((builder.config.data_files or {}).get(name, ())) for split, name in splits.items()}
    files = {split: own for split, own in files.items() if own}
    every = [file for own in files.values() for file in own]
    if not every or not all(file.endswith(".parquet") for file in every):
        raise DataError(
            f"{raw.where}: expected Parquet files of a set that is read in parts; leave out --in-parts"
        )
    with reading(raw.where):
        parts = {split: _parts(raw.where, own) for split, own in files.items()}
        features = datasets.Features.from_arrow_schema(parts["train"][0].schema)
    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    classes = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    raw.listing = "listing:" + ",".join(every) if "://" in every[0] else ""
    if not images:
        read_in_parts(raw, every, parts, how)
        return raw
    column = images[0]
    raw.domain = look_at_some(raw.where, _Rows(parts["train"], column), how, raw.notes)
    raw.arrays = {split: ParquetPictures(own, column, how, raw.domain) for split, own in parts.items()}
    raw.note = f"column {column}"
    if classes:
        raw.class_names = tuple(features[classes[0]].names)
        raw.labels = {
            split: np.concatenate([part.column(classes[0]).to_numpy() for part in own])
            for split, own in parts.items()
        }
        raw.note += f", labels {classes[0]}"
    raw.notes.found.insert(
        0, f"{counted(sum(map(len, raw.arrays.values())), 'picture')}, read when they are asked for"
    )
    return raw


def _parts(where: str, files: Sequence[str]) -> list[Part]:
    from fsspec.core import url_to_fs

    system, _ = url_to_fs(files[0])
    return parts_of(where, [url_to_fs(file)[1] for file in files], "parquet", filesystem=system)


class ParquetPictures(Blocks):
    """Pictures (N, C, H, W) in a column of Parquet files.

    Args:
        parts: their row groups.
        column: of them.
        how: size, fit, mode and background.
        domain: of all.
    """

    def __init__(self, parts: Sequence[Part], column: str, how: Reading, domain: Domain) -> None:
        self.decoder = Decoder(how, domain)
        super().__init__([part.rows for part in parts], domain.event_shape, self.decoder.dtype)
        self.parts, self.column = list(parts), column

    def load(self, block: int) -> Tensor:
        """The pictures of a row group."""
        part = self.parts[block]
        x = torch.empty(part.rows, *self.shape[1:], dtype=self.dtype)
        for row, (name, picture) in enumerate(_encoded(part, self.column)):
            x[row] = self.decoder(name, picture)
        return x


class _Rows:
    """The first encoded pictures of some row groups."""

    def __init__(self, parts: Sequence[Part], column: str) -> None:
        self.parts, self.column = parts, column

    def __call__(self) -> Any:
        places = np.unique(np.linspace(0, len(self.parts) - 1, 4).astype(int)).tolist()
        return (pair for place in places for pair in _encoded(self.parts[place], self.column))


def _encoded(part: Part, column: str) -> Any:
    for row, picture in enumerate(part.column(column).to_pylist()):
        name = f"{part.where}, row {row}"
        if picture is None:
            raise DataError(f"{name}: missing image")
        yield name, BytesIO(picture["bytes"]) if picture["bytes"] else Path(picture["path"])
