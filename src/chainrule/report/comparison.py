"""Real rows of a table beside drawn ones, as a page of its own and as a section of a run's page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chainrule.files import write_text
from chainrule.printable import drawn as shown_text
from chainrule.report.curves import to_png
from chainrule.report.marginals import MOST, draw_marginals
from chainrule.report.pictures import as_source
from chainrule.report.scatter import draw_strongest
from chainrule.report.template import render
from chainrule.report.theme import DRAWN_LINE, REAL_FILL, THEME
from chainrule.tasks.comparison.cells import Cells
from chainrule.tasks.comparison.compare import TableComparison
from chainrule.tasks.comparison.pairs import Pairs
from chainrule.tasks.comparison.privacy import Privacy

NAMED = 20  # columns whose names stand beside a matrix


def write_comparison(comparison: TableComparison, path: str | Path, *, title: str) -> Path:
    """Write a page: columns, pairs, a classifier's test, usefulness, copies, with pictures.

    Args:
        comparison: what `compare_tables` gives.
        path: of the .html.
        title: of the page.

    Returns:
        The path.
    """
    path = Path(path)
    write_text(path, render("comparison.html", title=title, **section(comparison)))
    return path


def section(comparison: TableComparison) -> dict[str, Any]:
    """What the template of the section needs."""
    pairs = comparison.pairs
    return {
        "compared": comparison,
        "marginals": as_source(draw_marginals(_farthest(comparison))),
        "matrices": pairs and as_source(draw_pairs(pairs)),
        "scatters": pairs and as_source(draw_strongest(comparison.columns, pairs)),
        "distances": as_source(draw_distances(comparison.privacy)),
        "median": np.median,
        "share": lambda value, digits=1: "–" if math.isnan(value) else f"{value:.{digits}%}",
        "number": lambda value, digits=3: "–" if math.isnan(value) else f"{value:.{digits}f}",
    }


def _farthest(comparison: TableComparison) -> list[Cells]:
    """The columns whose drawn cells are farthest from real ones, as far as there is room, in the order of the table."""
    gaps = [math.inf if math.isnan(each.ratio) else -each.ratio for each in comparison.marginals]
    chosen = sorted(np.argsort(gaps, kind="stable")[:MOST])
    return [comparison.columns[d] for d in chosen]


@mpl.rc_context(THEME)
def draw_pairs(pairs: Pairs) -> bytes:
    """A PNG of three matrices: associations among real rows, among drawn ones, and the difference."""
    count = len(pairs.names)
    figure = Figure(figsize=(9.6, 3.0), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    gap = max(0.1, float(np.nanmax(np.abs(pairs.drawn - pairs.real), initial=0.0)))
    _matrix(left, pairs.real, "real", "RdBu_r", 1.0)
    shades = _matrix(middle, pairs.drawn, "drawn", "RdBu_r", 1.0)
    differences = _matrix(right, pairs.drawn - pairs.real, "drawn − real", "PuOr_r", gap)
    figure.colorbar(shades, ax=[left, middle], shrink=0.8).outline.set_visible(False)
    figure.colorbar(differences, ax=right, shrink=0.8).outline.set_visible(False)
    if count <= NAMED:
        left.set_yticks(range(count), [shown_text(name, 16) for name in pairs.names])
    return to_png(figure)


def _matrix(axes: Axes, values: np.ndarray, title: str, colours: str, most: float) -> Any:
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes.imshow(values, cmap=colours, vmin=-most, vmax=most, interpolation="nearest")


@mpl.rc_context(THEME)
def draw_distances(privacy: Privacy) -> bytes:
    """A PNG: histograms of distances to the closest known row, of held-out rows filled, of drawn ones outlined."""
    figure = Figure(figsize=(6.4, 2.4), layout="constrained")
    axes = figure.add_subplot()
    top = max(privacy.nearest.max(), privacy.nearest_held.max(), 1e-9)
    edges = np.linspace(0, top, 41)
    for name, values, style in (
        ("real", privacy.nearest_held, REAL_FILL),
        ("drawn", privacy.nearest, DRAWN_LINE),
    ):
        axes.stairs(np.histogram(values, edges)[0] / len(values), edges, label=name, **style)
    axes.set(xlabel="distance to the closest known row", ylabel="share of rows")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
    return to_png(figure)
