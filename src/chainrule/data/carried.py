"""Columns that are not modelled, such as ids, and how new cells of theirs are made for drawn rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import torch

if TYPE_CHECKING:
    import pandas as pd

FRESH = "fresh"  # what a user asks for
HEX = "[0-9a-f]"
UUIDS = re.compile(rf"{HEX}{{8}}(-{HEX}{{4}}){{3}}-{HEX}{{12}}")
COUNTED = re.compile(r"(\D*)(\d{1,18})(\D*)")


@dataclass(frozen=True)
class Carried:
    """A column that is not modelled.

    Attributes:
        name: its heading.
        place: its number among the columns that are kept.
        kind: "number" and "text" of ids that go on after `last`, "uuid", or "empty" of what cannot be made anew.
        last: the largest number in training.
        prefix, suffix: of text ids, what stands around the number.
        width: of text ids, digits of numbers that are padded with zeros; 0 if they are not.
    """

    name: str
    place: int
    kind: str
    last: int = 0
    prefix: str = ""
    suffix: str = ""
    width: int = 0

    @classmethod
    def of(cls, name: str, place: int, cells: pa.ChunkedArray) -> Carried:
        """How the cells of training go on."""
        present = cells.drop_null()
        if len(present) and pa.types.is_integer(cells.type):
            return cls(name, place, "number", last=pc.max(present).as_py())
        texts = present.to_pylist()
        if not texts or not isinstance(texts[0], str):
            return cls(name, place, "empty")
        if all(UUIDS.fullmatch(text) for text in texts):
            return cls(name, place, "uuid")
        first = COUNTED.fullmatch(texts[0])
        around = (first[1], first[3]) if first else ("", "")
        like = re.compile(r"(\d{1,18})".join(map(re.escape, around)))
        if not all(like.fullmatch(text) for text in texts):
            return cls(name, place, "empty")
        digits = [text[len(around[0]) : len(text) - len(around[1])] for text in texts]
        widths = {len(text) for text in digits}
        padded = len(widths) == 1 or any(text[0] == "0" for text in digits)
        return cls(name, place, "text", max(map(int, digits)), *around, max(widths) * padded)

    def fresh(self, n: int, generator: torch.Generator) -> list[Any]:
        """Cells of n new rows; None of those that cannot be made."""
        if self.kind == "empty":
            return [None] * n
        if self.kind == "uuid":
            parts = torch.randint(0, 1 << 32, (n, 4), generator=generator).tolist()
            return [
                str(UUID(int=sum(part << 32 * k for k, part in enumerate(row)), version=4)) for row in parts
            ]
        numbers = range(self.last + 1, self.last + 1 + n)
        if self.kind == "number":
            return list(numbers)
        return [f"{self.prefix}{number:0{self.width}}{self.suffix}" for number in numbers]


def with_fresh(frame: pd.DataFrame, carried: Sequence[Carried], generator: torch.Generator) -> pd.DataFrame:
    """Drawn rows with new cells of the columns that are not modelled, in the order of the training file."""
    frame = frame.copy()
    for column in sorted(carried, key=lambda column: column.place):
        frame.insert(min(column.place, frame.shape[1]), column.name, column.fresh(len(frame), generator))
    return frame


def emptied(carried: Sequence[Carried]) -> list[str]:
    """Names of those of which nothing can be made anew."""
    return [column.name for column in carried if column.kind == "empty"]
