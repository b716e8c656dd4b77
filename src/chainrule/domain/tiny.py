"""Domains small enough to enumerate, of every kind."""

from __future__ import annotations

from chainrule.domain.column import Column
from chainrule.domain.domain import Domain

# Bits, columns of different levels, one variable, sequences of one length and of several, of symbols and of steps of
# two bits, grey and colour images, one and two reals, tables of mixed columns with and without missing cells; one with
# a density that has a point, an end and a heavy tail, a grid with a lattice and two ends, and other categories; and one
# of a grid and categories in groups alone, which can be coded.
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
    Domain.table(
        (
            Column("spent", "number", points=(0.0,), lowest=0.0, missing=True),
            Column("stars", "number", step=0.5, lattices=((1.0, 0.0),), lowest=0.0, highest=3.0),
            Column("shop", "categorical", ("north", "south"), other=True),
        )
    ),
    Domain.table(
        (
            Column("visits", "number", step=1.0, points=(3.0,), lowest=0.0, highest=4.0, missing=True),
            Column("plan", "categorical", ("a", "b", "c"), missing=True, other=True, factored=True),
            Column("new", "categorical", (False, True)),
        )
    ),
)
