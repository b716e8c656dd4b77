"""Domains small enough to enumerate, of every kind."""

from __future__ import annotations

from chainrule.domain.column import Column
from chainrule.domain.domain import Domain

# Bits, columns of different levels, one variable, sequences of one length and of several, of symbols and of steps of
# two bits, grey and colour images, one and two reals, tables of mixed columns with and without missing cells.
TINY = (
    Domain.binary(6),
    Domain.categorical(1, 3),
    Domain.categorical(4, (2, 4, 3, 2)),
    Domain.sequence(5, 4),
    Domain.sequence(4, 3, lengths="ends"),
    Domain.sequence(3, 2, width=2, lengths="given"),
    Domain.image(1, 2, 3, levels=3),
    Domain.image(3, 2, 1, levels=3),
    Domain.vector(1),
    Domain.vector(2),
    Domain.table(
        (
            Column("colour", "categorical", ("red", "white", "blue")),
            Column("weight", "real", missing=True),
            Column("ripe", "categorical", (False, True), missing=True),
        )
    ),
    Domain.table(
        (
            Column("children", "integer", missing=True),
            Column("sex", "categorical", ("f", "m")),
        )
    ),
)
