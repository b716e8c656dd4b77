"""A source that is packed item by item, as the kinds of sources see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import torch
from torch import Tensor

from chainrule.coding.about import described
from chainrule.coding.container import DAMAGED
from chainrule.data import Items
from chainrule.errors import CodeError
from chainrule.training import Run


def files_of(folder: Path) -> set[str]:
    """The paths of all files below a folder, relative to it, hidden ones too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def write_arrays(out: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """A .npz of arrays of any names; `np.savez` takes some of them, such as "file", for its own arguments."""
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


@dataclass(frozen=True)
class Source:
    """What is packed.

    Attributes:
        name: as the user gave it.
        path: of the file or the folder; None of a named set.
        items: the part of it that is packed.
        run: of the model.
        part: whether the items are only some of its.
        data_dir: where named sets lie.
    """

    name: str
    path: Path | None
    items: Items
    run: Run
    part: bool = False
    data_dir: Path | None = None

    @property
    def stored_labels(self) -> list | None:
        """Labels that the model does not code, so that the description of the source stores them."""
        coded = self.run.model.condition.counts
        return None if coded or self.items.labels is None else self.items.labels.tolist()


@dataclass(frozen=True)
class Unpacked:
    """What was decoded, or is about to be coded.

    Attributes:
        about: the description of the source, by its kind.
        x: (N, *event_shape).
        labels: (N,) or (N, k) that were coded; None if there are none.
        run: of the model.
    """

    about: dict
    x: Tensor
    labels: Tensor | None
    run: Run

    def all_labels(self) -> Tensor | None:
        """The labels, whether coded or stored in the description.

        Raises:
            CodeError: if they are none.
        """
        stored = self.about.get("labels")
        if self.labels is not None or stored is None:
            return self.labels
        with described():
            labels = torch.tensor(stored, dtype=torch.int64)
        if len(labels) != len(self.x):
            raise CodeError(DAMAGED)
        return labels
