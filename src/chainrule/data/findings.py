"""What the columns of a table were taken for, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chainrule.data.carried import Carried
from chainrule.domain.column import Column


@dataclass
class Findings:
    """Results of looking at the cells of each column.

    Attributes:
        columns: those to model, in the table's order.
        reasons: name of a column to model → in a line what it is.
        left: name of a column that is not modelled → why.
        carried: how those of them that nobody asked to drop go on.
    """

    columns: list[Column] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    carried: list[Carried] = field(default_factory=list)

    def leave(self, name: str, reason: str) -> None:
        """Leave a column out."""
        self.left[name] = reason

    def take(self, column: Column, facts: Iterable[str] = ()) -> None:
        """Model a column, with the facts that say why."""
        self.columns.append(column)
        kind = "categorical" if column.categories else "number"
        self.reasons[column.name] = ", ".join([kind, *facts])
