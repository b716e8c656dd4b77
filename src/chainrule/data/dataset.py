"""A data set: three splits, their domain, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from chainrule.data.carried import Carried
from chainrule.data.items import Items
from chainrule.data.large.stored import loaded
from chainrule.data.notes import Notes
from chainrule.data.streams import Streams
from chainrule.domain import Domain
from chainrule.errors import DataError, nearest

SPLITS = ("train", "valid", "test")
LABEL = "class"  # what the only label is called, where its source has no name for it
# Of one label; or of each of several.
ClassNames = tuple[str, ...] | tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Three splits of one data set.

    Attributes:
        name: what to call it.
        train, valid, test: (N, *event_shape); levels in the smallest of uint8, int16, int32 that holds
            them, reals in float32 or float64, tables in float64 with NaN where a cell is missing.
            Items of a source larger than memory are `Stored`, which stands in for a tensor: they are read when they are
            asked for. `domain.check` turns a batch into what a model takes.
        domain: the set every item lies in.
        labels: "train", "valid", "test" → int64 (N,), or (N, k) where items have several; empty when there are none.
        class_names: the name of each class, where known; where items have several labels, a tuple for each of these.
        label_names: the name of each label, such as digit and speaker, where known.
        rate: of recordings, in Hz.
        vocabulary: the character each level stands for; text only.
        source: where it came from and how it was split, in words.
        streams: "train", "valid", "test" → the long sequences of which the items are windows; empty for other data.
            Training reads windows from anywhere in them, `evaluate` slides along them.
        origin: the arguments with which `load_data` gives it again; empty if it did not come from there.
        frames: "train", "valid", "test" → (N, M, T'), of recordings: M numbers for each frame of an item, known
            beforehand; empty unless `load_data` was asked for features.
        notes: what was found in the source, what was ignored and what was changed.
        carried: of a table, how its columns that are not modelled, such as ids, go on in new rows.

    Raises:
        DataError: if a split is empty or its items do not have the domain's shape.
    """

    name: str
    train: Tensor
    valid: Tensor
    test: Tensor
    domain: Domain
    labels: dict[str, Tensor] = field(default_factory=dict)
    class_names: ClassNames | None = None
    label_names: tuple[str, ...] = ()
    rate: int | None = None
    vocabulary: tuple[str, ...] | None = None
    source: str = ""
    streams: dict[str, Streams] = field(default_factory=dict)
    origin: dict = field(default_factory=dict)
    frames: dict[str, Tensor] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    carried: tuple[Carried, ...] = ()

    def __post_init__(self) -> None:
        for split in SPLITS:
            x = getattr(self, split)
            if tuple(x.shape[1:]) != self.domain.event_shape:
                raise DataError(
                    f"{self.name}: {split}: expected items of shape {self.domain.event_shape}, "
                    f"got {tuple(x.shape[1:])}"
                )
            if len(x) == 0:
                raise DataError(f"{self.name}: the {split} split is empty")

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Name of each label → the names of its classes; empty where the labels have no names."""
        names: Any = self.class_names or ()
        if len(self.label_names) > 1:
            return dict(zip(self.label_names, names, strict=True))
        return {(self.label_names or (LABEL,))[0]: tuple(names)} if names else {}

    def split(self, name: str) -> tuple[Tensor, Tensor | None]:
        """The items of a split, and their labels or None.

        Raises:
            DataError: if there is no such split.
        """
        if name not in SPLITS:
            raise DataError(f"split {name!r}: no such split; {nearest(name, SPLITS)}")
        return getattr(self, name), self.labels.get(name)

    def cond(self, split: str) -> Tensor | None:
        """The condition of the items of a split: their frames if there are any, or their labels."""
        return self.frames.get(split, self.labels.get(split))

    def items(self, split: str) -> Items:
        """A split, as the verbs work on it.

        Raises:
            DataError: if there is no such split.
        """
        x, labels = self.split(split)
        beside: dict[str, Any] = {"frames": self.frames.get(split), "streams": self.streams.get(split)}
        x = loaded(x, f"{self.name}: {split}")
        return Items(self.name, x, self.domain, split, labels, **beside, notes=self.notes)

    def first(self, n: int) -> Data:
        """The first n items of each split, to try things on."""
        if n < 1:
            raise DataError(f"items: expected a number ≥ 1, got {n}")
        splits: dict[str, Any] = {split: getattr(self, split)[:n] for split in SPLITS}
        labels = {split: values[:n] for split, values in self.labels.items()}
        frames = {split: values[:n] for split, values in self.frames.items()}
        source = f"{self.source}; the first {n} of each split"
        return replace(self, **splits, labels=labels, frames=frames, streams={}, source=source)

    def describe(self) -> str:
        """One line: the name, the domain, the sizes."""
        sizes = ", ".join(f"{len(getattr(self, split))} {split}" for split in SPLITS)
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        if self.label_names:
            classes = "".join(f", {len(names)} of {label}" for label, names in self.classes.items())
        rate = f", {self.rate} Hz" if self.rate else ""
        if self.frames:
            bands, frames = self.frames["train"].shape[1:]
            rate += f", {bands} bands every {self.domain.steps // frames} samples"
        columns = len(self.domain.columns)
        domain = f"table of {columns} column{'s' * (columns > 1)}" if columns else self.domain
        return f"{self.name}: {domain}, {sizes}{classes}{rate}"

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        return f"<Data {self.describe()}>"
