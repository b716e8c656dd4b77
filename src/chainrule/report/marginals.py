"""The columns of a table: each one's values, real beside sampled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from chainrule.domain.column import Column
from chainrule.printable import drawn
from chainrule.report.curves import to_png

MOST = 12  # columns in the picture
ACROSS = 4
BINS = 20
BARS = 8  # categories in a panel
REAL, SAMPLED = "0.7", "C0"


def draw_marginals(real: Tensor, sampled: Tensor, columns: Sequence[Column]) -> bytes:
    """A PNG: a panel for each of the first 12 columns, the shares of real rows filled and those of sampled ones drawn.

    Args:
        real: rows (N, D), NaN where missing.
        sampled: rows (M, D), likewise.
        columns: D of them.
    """
    shown = columns[:MOST]
    across = min(len(shown), ACROSS)
    down = -(-len(shown) // across)
    figure = Figure(figsize=(2.4 * across, 1.9 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    for d, axes in enumerate(panels):
        if d >= len(shown):
            axes.remove()
            continue
        column = shown[d]
        draw = _categories if column.categories else _numbers
        draw(axes, real[:, d].cpu().numpy(), sampled[:, d].cpu().numpy(), column)
        axes.set_title(drawn(column.name, 28), fontsize=8)
        axes.tick_params(labelsize=7)
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    return to_png(figure)


def _numbers(axes: Axes, real: np.ndarray, sampled: np.ndarray, column: Column) -> None:
    """Histograms over the range of the real values; sampled ones outside count in the outer bins."""
    low, high = np.nanmin(real, initial=np.inf), np.nanmax(real, initial=-np.inf)
    if not low < high:  # one value, or none
        centre = low if np.isfinite(low) else 0.0
        low, high = centre - 0.5, centre + 0.5
    edges = np.linspace(low, high, BINS + 1)
    heights = []
    for values in (real, sampled):
        there = values[~np.isnan(values)].clip(low, high)
        heights.append(np.histogram(there, edges)[0] / max(len(there), 1))
    axes.stairs(heights[0], edges, fill=True, color=REAL)
    axes.stairs(heights[1], edges, color=SAMPLED)
    axes.locator_params(axis="x", nbins=4)


def _categories(axes: Axes, real: np.ndarray, sampled: np.ndarray, column: Column) -> None:
    """The share of each of the most frequent categories."""
    levels = len(column.categories)
    counts = []
    for values in (real, sampled):
        there = values[~np.isnan(values)].astype(int)
        counts.append(np.bincount(there, minlength=levels) / max(len(there), 1))
    chosen = np.argsort(-counts[0], kind="stable")[:BARS]
    places = np.arange(len(chosen))
    axes.bar(places, counts[0][chosen], color=REAL, width=0.7)
    axes.bar(places, counts[1][chosen], edgecolor=SAMPLED, color="none", width=0.7)
    names = [drawn(str(column.categories[code]), 28 // len(chosen)) for code in chosen]
    axes.set_xticks(places, names)
