"""Draw docs/figures/TABLE.svg of every table of results: ours as dots, published values as black marks;
docs/figures/sampling.svg, how fast nets are sampled, and docs/figures/reversible.svg, the memory that training takes.

Usage: python tools/charts.py
"""

import json
import math
from itertools import groupby
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chainrule.reproduce.published import Published, compared, read_published
from records import ROOT, label_of, reproduced, sign, tables
from reversible_chart import reversible_chart
from sampling_chart import sampling_chart

FIGURES = Path(__file__).parent.parent / "docs" / "figures"
OURS, GUIDE = "#2b7cc4", "#dddddd"
MARKS = "Dos^vP*X<>"  # a shape for each model that published values are of
ROW, PANEL = 0.24, 0.75  # inches: of a line; of a panel's title and axis
STYLE: dict = {
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "chainrule",  # so that the same records give the same file
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def chart(table: str) -> Figure:
    """A panel for each data set, each on an axis of its own."""
    panels = [list(group) for _, group in groupby(reproduced(table), key=lambda record: record["data"])]
    models = sorted(
        {value.model for panel in panels for r in panel for value in read_published(r["published"])}
    )
    columns = 1 if len(panels) < 4 else 2
    unit = "step" if "per_step" in panels[0][0]["test"] else "item"
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [PANEL + ROW * max(map(len, row)) for row in rows]
    figure, axes = plt.subplots(
        len(rows),
        columns,
        figsize=(4.6 * columns + (1.6 if columns == 1 else 0), sum(heights) + 0.6),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, panel in zip(axes.flat, panels, strict=False):
        draw_panel(axis, panel, models)
    for axis in axes.flat[max(len(panels) - columns, 0) : len(panels)]:
        axis.set_xlabel(f"nats per {unit}: lower is better")
    figure.legend(handles=legend(panels, models), loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_panel(axis: Axes, panel: list[dict], models: list[str]) -> None:
    """The records of one data set, best on top; the axis spans what there is, it does not start at zero."""
    panel = sorted(panel, key=ours)
    marks = [(y, value) for y, record in enumerate(panel) for value in read_published(record["published"])]
    values = [ours(record)[0] for record in panel] + [value.nats for _, value in marks]
    left, right = limits(values, max(ours(record)[1] for record in panel))
    for y, record in enumerate(panel):
        nats, error = ours(record)
        axis.axhline(y, color=GUIDE, linewidth=0.8, zorder=0)
        axis.errorbar(nats, y, xerr=error, fmt="o", color=OURS, markersize=7, linewidth=1.5)
        text = f"{sign(record['test'])}{nats:.2f} ± {error:.2f}"
        axis.text(1.02, y, text, transform=axis.get_yaxis_transform(), va="center", color=OURS)
    for y, value in marks:
        axis.plot(value.nats, y, **style(value, models), zorder=3, clip_on=False)
    axis.set(xlim=(left, right), ylim=(len(panel) - 0.4, -0.6))
    axis.set_yticks(range(len(panel)), [label_of(record) for record in panel])
    axis.tick_params(axis="y", length=0)
    axis.locator_params(axis="x", nbins=5)
    axis.ticklabel_format(axis="x", useOffset=False)
    axis.set_title(panel[0]["data"], loc="left", fontsize=10, fontweight="bold")


def ours(record: dict) -> tuple[float, float]:
    """The figure of the test split that its published values compare with, and its standard error."""
    return compared(record["test"], read_published(record["published"]))


def limits(values: list[float], error: float) -> tuple[float, float]:
    """From below the least to above the greatest, errors within: differences show, whatever the level."""
    low, high = min(values), max(values)
    room = max(high - low, 4 * error, 1e-3 * abs(high))
    return low - max(0.25 * room, 2 * error), high + max(0.05 * room, 1.2 * error)


def style(value: Published, models: list[str]) -> dict:
    """Of a mark: its shape says whose the value is, a hollow one is of the validation split."""
    return {
        "marker": MARKS[models.index(value.model) % len(MARKS)],
        "linestyle": "",
        "markersize": 5.5,
        "color": "black",
        "markerfacecolor": "white" if value.split == "valid" else "black",
    }


def legend(panels: list[list[dict]], models: list[str]) -> list[Line2D]:
    """Ours, and each kind of mark there is."""
    values = [value for panel in panels for r in panel for value in read_published(r["published"])]
    kinds = sorted({(value.model, value.split) for value in values})
    marks = [
        Line2D(
            [],
            [],
            label=f"published{', ' + model if model else ''}{' (validation)' if split == 'valid' else ''}",
            **style(Published(math.nan, split, model=model), models),
        )
        for model, split in kinds
    ]
    dot = Line2D([], [], marker="o", markersize=7, color=OURS, label="ours, test ± standard error")
    return [dot, *marks]


def draw_all() -> None:
    """Write every chart."""
    FIGURES.mkdir(exist_ok=True)
    with plt.rc_context(STYLE):
        for table in filter(reproduced, tables()):
            save(chart(table), table)
        for name, draw in {"sampling": sampling_chart, "reversible": reversible_chart}.items():
            save(draw(json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())), name)


def save(figure: Figure, name: str) -> None:
    """As docs/figures/NAME.svg."""
    figure.savefig(FIGURES / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    draw_all()
