"""A column of numbers: its grid, lattices, points and ends, from its cells, and in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.data.ends import ends_of
from chainrule.data.grid import EXACT, step_of
from chainrule.data.lattices import lattices_of, weekdays_of
from chainrule.data.points import on_lattice, points_of
from chainrule.data.values import Values
from chainrule.domain.column import Column

SAMPLED = 50_000  # cells that lattices are sought in


def number_column(
    name: str,
    cells: np.ndarray,
    *,
    gaps: bool = False,
    kind: str | None = None,
    whole: bool = False,
    single: bool = False,
    counted: bool = True,
    spelling: str = "",
) -> Column:
    """The column of these numbers.

    Args:
        name: of the column.
        cells: (n,) those that are there, at least one.
        gaps: whether others are missing.
        kind: "integer" for a step of 1, "real" for a density; None for what is evident.
        whole: whether their type holds whole numbers only.
        single: whether it is float32.
        counted: whether 0 and round numbers mean something, as they do not for dates.
        spelling: see `Column`.
    """
    values = Values.of(cells)
    step = None if kind == "real" else 1.0 if kind == "integer" else step_of(values.values, single)
    if step is None and whole and kind != "real":
        step = 1.0
    lattices = []
    if kind != "real":
        some = Values.of(cells[:: -(-len(cells) // SAMPLED)])
        dated = step == 1 and not counted and spelling.startswith("days: ")
        lattices = weekdays_of(some) if dated else []
        lattices = lattices or lattices_of(some, step, single=single, timed=": " in spelling)
    constant = len(values.values) == 1
    points = (float(values.values[0]),) if constant else points_of(values, step, lattices)
    lowest, highest = ends_of(values, step, points, counted=counted)
    return Column(
        name,
        "number",
        missing=gaps,
        step=step,
        lattices=tuple(lattices),
        points=points,
        lowest=lowest,
        highest=highest,
        spelling=spelling,
    )


def is_whole(cells: np.ndarray) -> bool:
    """Whether numbers (n,) are whole ones that float64 holds."""
    return bool(((cells == np.floor(cells)) & (np.abs(cells) <= EXACT)).all())


def facts_of(column: Column, cells: np.ndarray) -> Iterator[str]:
    """In words what a column of numbers is, with the shares of the cells (n,) that show it."""
    if column.constant:
        yield f"always {column.shown(cells[0])}"
        return
    yield column.grid or "no grid, so densities"
    for step, offset in column.lattices:
        share = on_lattice(cells, (step, offset)).mean()
        yield f"{share:.0%} {column.lattice_words(step, offset)}"
    for point in column.points:
        yield f"{(cells == point).mean():.1%} are {column.shown(point)}"
    if column.range:
        yield "never negative" if column.ends == (0, None) else column.range
