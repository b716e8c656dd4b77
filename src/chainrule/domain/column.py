"""A column of a table: its name, its kind, and whether cells may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chainrule.errors import DomainError

KINDS = ("categorical", "integer", "real")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: its heading.
        kind: "categorical" (one of `categories`), "integer" (any whole number; probabilities) or "real"
            (densities).
        categories: the values of a categorical column, text, whole numbers or booleans; code k is `categories[k]`.
        missing: whether a cell may be missing.

    Raises:
        DomainError: if these do not fit each other.

    Example:
        >>> Column("colour", "categorical", ("red", "white")).levels
        2
        >>> Column("age", "integer").levels is None
        True
    """

    name: str
    kind: str = "real"
    categories: tuple[Any, ...] = ()
    missing: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DomainError(f"column {self.name!r}: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        object.__setattr__(self, "categories", tuple(self.categories))
        if (self.kind == "categorical") != bool(self.categories):
            raise DomainError(
                f"column {self.name!r}: expected categories for a categorical column and for no other, "
                f"got {self.kind} with {len(self.categories)}"
            )
        if len(set(self.categories)) != len(self.categories):
            raise DomainError(f"column {self.name!r}: expected categories that differ, got {self.categories}")

    @property
    def levels(self) -> int | None:
        """How many values it takes; None for numbers. A missing cell is no level."""
        return len(self.categories) or None

    def check(self, values: Tensor) -> None:
        """Codes of categories, whole numbers or finite numbers (B,), NaN only where cells may be missing.

        Raises:
            DomainError: naming the first value that is none of these, and its row.
        """
        missing = values.isnan()
        good = values.isfinite() | (missing if self.missing else torch.zeros_like(missing))
        expected = "a finite number"
        if self.kind != "real":
            good &= missing | (values == values.round())
            expected = "a whole number"
        if self.categories:
            good &= missing | ((values >= 0) & (values < len(self.categories)))
            expected = f"a code in [0, {self.levels})"
        if not good.all():
            row = int((~good).nonzero()[0])
            hint = "; the column has no missing cells" if missing[row] else ""
            raise DomainError(
                f"x: column {self.name!r}: expected {expected}, got {values[row].item()} in row {row}{hint}"
            )

    def __str__(self) -> str:
        kind = f"{self.kind} ({self.levels})" if self.categories else self.kind
        return f"{self.name}: {kind}{', may be missing' if self.missing else ''}"
