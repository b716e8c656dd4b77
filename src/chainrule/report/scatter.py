"""The pairs of columns that depend most on each other: rows as points, real beside drawn."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chainrule.printable import drawn as shown_text
from chainrule.report.curves import to_png
from chainrule.report.theme import DRAWN, REAL, THEME
from chainrule.tasks.comparison.cells import CATEGORY, Cells
from chainrule.tasks.comparison.pairs import Pairs

PAIRS = 4  # drawn
POINTS = 500  # of each kind, the first rows
LEVELS = 8  # of a category that are named
SPREAD = 0.25  # of a category's points, to each side
MIDDLE = (0.005, 0.995)  # quantiles between which a panel lies


@mpl.rc_context(THEME)
def draw_strongest(columns: Sequence[Cells], pairs: Pairs) -> bytes:
    """A PNG: a column of two panels for each of the `PAIRS` strongest pairs of real rows, real above drawn.

    Args:
        columns: with real rows as part 0, drawn ones as part 1.
        pairs: their associations.
    """
    chosen = strongest(pairs)
    figure = Figure(figsize=(2.5 * max(len(chosen), 2), 4.4), layout="constrained")
    panels = figure.subplots(2, max(len(chosen), 1), squeeze=False)
    rng = np.random.default_rng(0)
    for line, (a, b) in zip(panels.T, chosen, strict=False):
        for part, (axes, name, colour) in enumerate(zip(line, ("real", "drawn"), (REAL, DRAWN), strict=True)):
            axes.scatter(
                _places(columns[a], part, rng),
                _places(columns[b], part, rng),
                s=5,
                color=colour,
                alpha=0.5,
                linewidths=0,
            )
            _frame(axes, columns[a], "x")
            _frame(axes, columns[b], "y")
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(name)
    for axes in panels.flat[2 * len(chosen) :]:
        axes.remove()
    return to_png(figure)


def strongest(pairs: Pairs) -> list[tuple[int, int]]:
    """The columns of the pairs whose real association is largest in absolute value, at most `PAIRS`."""
    strength = np.triu(np.nan_to_num(np.abs(pairs.real)), 1)
    order = np.argsort(-strength, axis=None, kind="stable")[:PAIRS]
    found = [divmod(int(place), len(strength)) for place in order]
    return [(a, b) for a, b in found if strength[a, b] > 0]


def _places(cells: Cells, part: int, rng: np.random.Generator) -> np.ndarray:
    """The first cells of a part as coordinates; those of a category are spread."""
    values = cells.parts[part][:POINTS]
    return values + rng.uniform(-SPREAD, SPREAD, len(values)) if cells.kind == CATEGORY else values


def _frame(axes: Axes, cells: Cells, side: str) -> None:
    """Limits, name and ticks of one axis, those of the real cells."""
    real = cells.present(0)
    limit, label, ticks = (getattr(axes, f"set_{side}{what}") for what in ("lim", "label", "ticks"))
    label(shown_text(cells.name, 24))
    if cells.kind == CATEGORY:
        shown = range(min(len(cells.levels), LEVELS))
        limit(-0.6, len(shown) - 0.4)
        ticks(shown, [shown_text(cells.levels[k], 10 if side == "y" else 28 // len(shown)) for k in shown])
        return
    low, high = np.quantile(real, MIDDLE)
    room = 0.04 * (high - low) or 0.5
    limit(low - room, high + room)
    places = np.linspace(low, high, 3)
    ticks(places, [shown_text(cells.spelled(value)[:10], 10) for value in places])
