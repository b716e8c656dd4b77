"""What a reader found in a source, left out and changed; always shown to the user."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 5  # names that a line lists
LONGEST = 80  # characters of a name


@dataclass
class Notes:
    """Lines about a source, in the order in which they came up.

    Attributes:
        found: what the data are made of, with counts.
        ignored: what is there and is not used, with counts.
        changed: what does not reach the model as it is in the file.
        columns: of a table, name → what the column was taken for, and why.
    """

    found: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)

    def add(self, others: Notes) -> None:
        """Put the lines of other notes after these."""
        self.found += others.found
        self.ignored += others.ignored
        self.changed += others.changed

    def lines(self) -> list[str]:
        """Every line, beginning with which of the three it is."""
        kinds = {"found": self.found, "ignored": self.ignored, "changed": self.changed}
        return [f"{kind}: {line}" for kind, lines in kinds.items() for line in lines]


def counted(n: int, singular: str, plural: str | None = None) -> str:
    """1 → "1 picture", 2000 → "2,000 pictures"."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def listed(names: Iterable[object]) -> str:
    """The first few names, and how many more there are."""
    every = list(map(plain, names))
    more = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def plain(name: object) -> str:
    """A name out of a file as a line of a terminal can show it: what is not printable is escaped, long ones are cut."""
    text = str(name)
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return short if short.isprintable() else repr(short)[1:-1]
