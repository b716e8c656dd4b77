"""The columns of a table: each one's values, real beside drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from chainrule.printable import drawn as shown_text
from chainrule.report.curves import to_png
from chainrule.report.theme import DRAWN, DRAWN_LINE, REAL, REAL_FILL, THEME
from chainrule.tasks.comparison.cells import CATEGORY, DATE, Cells

MOST = 12  # columns that a picture has room for
ACROSS = 4
BINS = 20
BARS = 8  # categories in a panel
MIDDLE = (0.005, 0.995)  # quantiles between which a panel lies


@mpl.rc_context(THEME)
def draw_marginals(columns: Sequence[Cells]) -> bytes:
    """A PNG: a panel for each column, shares of real rows (part 0) filled, of drawn ones (part 1) outlined."""
    across = min(len(columns), ACROSS)
    down = -(-len(columns) // across)
    figure = Figure(figsize=(2.4 * across, 1.9 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    for cells, axes in zip(columns, panels, strict=False):
        draw = _categories if cells.kind == CATEGORY else _numbers
        draw(axes, cells)
        axes.set_title(shown_text(cells.name, 28))
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    for axes in panels:  # those that are left over
        axes.remove()
    return to_png(figure)


def _numbers(axes: Axes, cells: Cells) -> None:
    """Histograms over the middle of the real values; the outer bins hold what lies beyond, too."""
    real = cells.present(0)
    low, high = np.quantile(real, MIDDLE) if len(real) else (0.0, 0.0)
    if not low < high:
        low, high = real.min(initial=low), real.max(initial=high)
    if not low < high:  # one value, or none
        low, high = low - 0.5, low + 0.5
    edges = np.linspace(low, high, BINS + 1)
    for part, style in ((0, REAL_FILL), (1, DRAWN_LINE)):
        values = cells.present(part).clip(low, high)
        axes.stairs(np.histogram(values, edges)[0] / max(len(values), 1), edges, **style)
    if cells.kind == DATE:
        locator = AutoDateLocator(minticks=2, maxticks=4)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        axes.locator_params(axis="x", nbins=4)


def _categories(axes: Axes, cells: Cells) -> None:
    """The share of each of the most frequent categories, which come first."""
    levels = min(len(cells.levels), BARS)
    places = np.arange(levels)
    outlined: Any = {"edgecolor": DRAWN, "color": "none", "linewidth": 1.4}
    for part, style in ((0, {"color": REAL}), (1, outlined)):
        codes = cells.present(part).astype(int)
        shares = np.bincount(codes, minlength=levels)[:levels] / max(len(codes), 1)
        axes.bar(places, shares, width=0.7, **style)
    axes.set_xticks(places, [shown_text(level, 28 // levels) for level in cells.levels[:levels]])
