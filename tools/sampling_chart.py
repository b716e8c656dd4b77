"""The chart of `chainrule bench sampling`: steps a second of each net, beside all that it was measured beside."""

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

ROW = 0.24  # inches of a line
GUIDE = "#dddddd"
OURS = {"marker": "o", "color": "#2b7cc4", "markersize": 7}
MARKS = {
    "eager": {"marker": "D", "color": "#2b5c8a", "markersize": 4},
    "native-bf16": {"marker": ">", "color": "#2b5c8a", "markersize": 5, "markerfacecolor": "white"},
    "naive": {"marker": "o", "color": "black", "markersize": 5, "markerfacecolor": "white"},
    "peer": {"marker": "X", "color": "black", "markersize": 6},
    "roofline": {"marker": "|", "color": "#c0392b", "markersize": 11, "markeredgewidth": 2},
}


def sampling_chart(record: dict) -> Figure:
    """A row for each net and batch size, with as many threads as were measured; steps a second, logarithmic."""
    most = max(row["threads"] for row in record["rows"])
    rows = [row for row in record["rows"] if row["threads"] == most]
    figure, axis = plt.subplots(figsize=(7.6, ROW * len(rows) + 1.2), layout="constrained")
    points = [marks(row) for row in rows]
    for y, (row, found) in enumerate(zip(rows, points, strict=True)):
        axis.axhline(y, color=GUIDE, linewidth=0.8, zorder=0)
        if rate := row["steps_per_second"].get("native"):
            axis.plot(rate, y, linestyle="", zorder=3, **OURS)
        for kind, value in found:
            axis.plot(value, y, linestyle="", zorder=3, **MARKS[kind])
        axis.text(1.02, y, f"{row['of_roofline']:.0%}", transform=axis.get_yaxis_transform(), va="center")
    axis.set(xscale="log", ylim=(len(rows) - 0.4, -0.6), xlabel="steps a second: more is better")
    axis.set_yticks(range(len(rows)), [f"{row['net']}, batch {row['batch']}" for row in rows])
    axis.tick_params(axis="y", length=0)
    axis.text(1.02, 1, "of roofline", transform=axis.transAxes, va="bottom")
    figure.legend(handles=legend(most), loc="outside lower center", ncols=3, frameon=False)
    return figure


def marks(row: dict) -> list[tuple[str, float]]:
    """What a row is beside, and its steps a second."""
    rates = row["steps_per_second"]
    found = [(way if way in MARKS else "peer", rate) for way, rate in rates.items() if way != "native"]
    return [*found, ("roofline", row["steps"] / row["roofline"]["seconds"])]


def legend(threads: int) -> list[Line2D]:
    """Ours and each mark."""
    names = {kind: kind for kind in MARKS} | {"naive": "a pass per site", "peer": "another library"}
    dot = Line2D([], [], linestyle="", label=f"native, {threads} thread{'s' * (threads > 1)}", **OURS)
    return [dot, *(Line2D([], [], linestyle="", label=names[kind], **style) for kind, style in MARKS.items())]
