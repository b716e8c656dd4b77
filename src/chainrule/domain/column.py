"""A column of a table: its name, its kind, and whether cells may be missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from chainrule.errors import DomainError

TICKS = {  # numpy's words for the grains of times
    "days": "D",
    "hours": "h",
    "minutes": "m",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
}
KINDS = ("categorical", "number", "integer", "real")
MOST_PLAIN = 1000  # categories of one softmax; with more, two small ones train in two thirds of the time
CALENDAR = {
    "weekday": 7,
    "month": 12,
    "hour": 24,
    "day": 2,
}  # parts of it, and how many inputs of a net each is
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: its heading.
        kind: "categorical" (one of `categories`); "number", with the support below, whose distribution is measured by
            the column's own marginal; or without that "integer" (any whole number; probabilities) or "real"
            (densities).
        categories: the values of a categorical column, text, whole numbers or booleans; code k is `categories[k]`.
        missing: whether a cell may be missing.
        other: whether a category that training never saw may come; its code is the one after the last category's.
        step: of a number, how far its values lie apart, counted from 0; they have probabilities. None for a density.
        lattices: (step, offset) of coarser lattices that many values of a number lie on, such as (1.0, 0.99) of prices.
        points: values of a number that occur far more often than their neighbours, each with a probability of its own.
        lowest, highest: ends of a number's support; None where nothing shows one.
        spelling: how the cells are written, for what is written back; the readers know the words.
        factored: whether models give categories probabilities in two steps, first a group, then a category in it; by
            default where there are over 1,000.
        calendar: of moments, which of weekday, month, hour and day (of the month) nets read beside the number itself.
        written: how a number or boolean is written in a .csv, such as "$1,000.00"; see `chainrule.data.spelling`.

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
    other: bool = False
    step: float | None = None
    lattices: tuple[tuple[float, float], ...] = ()
    points: tuple[float, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    spelling: str = ""
    factored: bool | None = field(default=None, compare=False)
    calendar: tuple[str, ...] = field(default=(), compare=False)
    written: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DomainError(f"column {self.name!r}: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        object.__setattr__(self, "categories", tuple(self.categories))
        object.__setattr__(self, "lattices", tuple((float(step), float(at)) for step, at in self.lattices))
        object.__setattr__(self, "points", tuple(map(float, self.points)))
        object.__setattr__(self, "calendar", tuple(self.calendar))
        for name in ("step", "lowest", "highest"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))
        if (self.kind == "categorical") != bool(self.categories):
            raise DomainError(
                f"column {self.name!r}: expected categories for a categorical column and for no other, "
                f"got {self.kind} with {len(self.categories)}"
            )
        if len(set(self.categories)) != len(self.categories):
            raise DomainError(f"column {self.name!r}: expected categories that differ, got {self.categories}")
        if self.factored is None:
            object.__setattr__(self, "factored", len(self.categories) > MOST_PLAIN)
        if self.factored and not self.categories:
            raise DomainError(f"column {self.name!r}: expected categories to be in groups, got {self.kind}")
        if self.other and not self.categories:
            raise DomainError(f"column {self.name!r}: expected categories beside which there are others")
        if self.kind != "number" and (self.step or self.lattices or self.points or self.ends != (None, None)):
            raise DomainError(f"column {self.name!r}: expected a support of a number only, got {self.kind}")
        if not set(self.calendar) <= set(CALENDAR) or (self.calendar and self.kind != "number"):
            raise DomainError(
                f"column {self.name!r}: calendar: expected {', '.join(CALENDAR)} of a number, "
                f"got {', '.join(self.calendar)} of a column of kind {self.kind}"
            )

    @property
    def levels(self) -> int | None:
        """How many values it takes, others being one; None for numbers. A missing cell is no level."""
        return len(self.categories) + self.other or None

    @property
    def has_density(self) -> bool:
        """Whether some of its values have a density in place of a probability."""
        return self.kind == "real" or (self.kind == "number" and self.step is None)

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The ends of its support."""
        return self.lowest, self.highest

    def holds(self, values: Tensor) -> Tensor:
        """Codes of categories, whole numbers or finite numbers, NaN only where cells may be missing: booleans (B,)."""
        good = values.isfinite()
        if self.kind in ("categorical", "integer"):
            good &= values == values.round()
        if self.categories:
            good &= (values >= 0) & (values < self.levels)
        return good | values.isnan() if self.missing else good

    def check(self, values: Tensor) -> None:
        """Refuse values (B,) that it does not hold.

        Raises:
            DomainError: naming the first, and its row.
        """
        good = self.holds(values)
        if good.all():
            return
        row = int((~good).nonzero()[0])
        whole = "a whole number" if self.kind in ("categorical", "integer") else "a finite number"
        expected = f"a code in [0, {self.levels})" if self.categories else whole
        hint = "; the column has no missing cells" if values[row].isnan() else ""
        raise DomainError(
            f"x: column {self.name!r}: expected {expected}, got {values[row].item()} in row {row}{hint}"
        )

    @property
    def default_type(self) -> str:
        """The arrow type of a number that needs no `spelling`."""
        whole = self.kind == "integer" or (self.step is not None and self.step.is_integer())
        return "int64" if whole else "double"

    @property
    def grid(self) -> str:
        """Its step in words; empty for a density."""
        grain = self.spelling.partition(": ")[0] if ": " in self.spelling else ""
        if self.step is None or grain:
            return grain
        return "whole" if self.step == 1 else f"multiples of {self.step:.12g}"

    @property
    def range(self) -> str:
        """Its ends in words; empty where there are none."""
        low, high = (None if end is None else self.shown(end) for end in self.ends)
        if low is not None and high is not None:
            return f"in [{low}, {high}]"
        return f"≥ {low}" if low is not None else f"≤ {high}" if high is not None else ""

    @property
    def constant(self) -> bool:
        """Whether its ends are one value."""
        return self.lowest is not None and self.lowest == self.highest

    def shown(self, value: float) -> str:
        """A number as words show it, a moment as a date and time."""
        grain, colon, kind = self.spelling.partition(": ")
        if not colon or kind.startswith("duration"):
            return f"{value:.12g}"
        moment = str(np.array(int(value)).astype(f"datetime64[{TICKS[grain]}]"))
        return moment.partition("T")[2] if kind.startswith(("%H", "time3", "time6")) else moment

    def lattice_words(self, step: float, offset: float) -> str:
        """What values on a lattice are."""
        if step == 7 and self.spelling.startswith("days: "):
            return WEEKDAYS[int(offset + 3) % 7]  # day 0 was a Thursday
        if not offset:
            return "whole" if step == 1 else f"multiples of {step:.12g}"
        if step == 1:
            return f"end in {f'{offset:.12g}'.removeprefix('0')}"
        return f"{offset:.12g} above multiples of {step:.12g}"

    def __str__(self) -> str:
        support = [self.grid, *(f"many {self.lattice_words(*lattice)}" for lattice in self.lattices)]
        if self.points:
            support.append(f"often {', '.join(map(self.shown, self.points))}")
        support.append(self.range)
        if self.lowest is not None and self.constant:
            support = [f"always {self.shown(self.lowest)}"]
        words = ", ".join(filter(None, support))
        kind = self.kind
        if self.categories:
            kind += f" ({len(self.categories)}{' and others' if self.other else ''})"
        elif words:
            kind += f" ({words})"
        return f"{self.name}: {kind}{', may be missing' if self.missing else ''}"
