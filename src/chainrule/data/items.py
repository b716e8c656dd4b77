"""Items of a source, as a verb works on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from torch import Tensor

from chainrule.data.notes import Notes
from chainrule.data.streams import Streams
from chainrule.domain import Domain


@dataclass(frozen=True, eq=False)
class Items:
    """Items that lie in one domain, and what is known of each.

    Attributes:
        name: of the source.
        x: (N, *event_shape), as `Data` keeps them.
        domain: theirs.
        split: which part of the source they are; "all" for all of it.
        labels: int64 (N,), or (N, k) where items have several; None without any.
        frames: (N, M, T'), of recordings, or None.
        streams: the long sequences of which the items are windows, or None.
        names: what each item is called, such as its file; empty where they have no names.
        notes: what was found, ignored and changed.
        beside: of a table, its columns that are not modelled, such as ids; or None.
    """

    name: str
    x: Tensor
    domain: Domain
    split: str = "all"
    labels: Tensor | None = None
    frames: Tensor | None = None
    streams: Streams | None = None
    names: tuple[str, ...] = ()
    notes: Notes = field(default_factory=Notes)
    beside: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def cond(self) -> Tensor | None:
        """The condition of the items: their frames if there are any, or their labels."""
        return self.labels if self.frames is None else self.frames

    def first(self, n: int | None) -> Items:
        """The first n of them; all if n is None. Their streams are then no longer known."""
        if n is None or n >= len(self.x):
            return self
        labels = None if self.labels is None else self.labels[:n]
        frames = None if self.frames is None else self.frames[:n]
        beside = None if self.beside is None else self.beside.slice(0, n)
        parts: dict[str, Any] = {
            "labels": labels,
            "frames": frames,
            "names": self.names[:n],
            "beside": beside,
        }
        return replace(self, x=self.x[:n], streams=None, **parts)
