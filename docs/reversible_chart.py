"""The chart of `chainrule bench reversible`: memory of training against depth, and what it costs in time."""

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

LINES = {
    "ordinary": {"color": "black", "marker": "o", "markerfacecolor": "white"},
    "kept": {"color": "#8fb3d9", "marker": "s"},
    "reversible": {"color": "#c0392b", "marker": "D"},
}
LABELS = {"ordinary": "ordinary", "kept": "reversible, activations kept", "reversible": "reversible"}


def reversible_chart(record: dict) -> Figure:
    """A panel for each net: megabytes against depth, and under each depth how much longer a step takes."""
    nets = list(dict.fromkeys(row["net"] for row in record["rows"]))
    figure, axes = plt.subplots(1, len(nets), figsize=(7.6, 3.4), squeeze=False, layout="constrained")
    for axis, net in zip(axes.flat, nets, strict=True):
        rows = [row for row in record["rows"] if row["net"] == net]
        depths = [row["depth"] for row in rows]
        for way, style in LINES.items():
            if way not in rows[0]["peak_saved_bytes"]:
                continue
            saved = [row["peak_saved_bytes"][way] / 1e6 for row in rows]
            axis.plot(depths, saved, label=LABELS[way], markersize=5, clip_on=False, zorder=3, **style)
        slower = [f"{row['depth']}\n× {row['slower']['kept']:.1f}" for row in rows]
        axis.set_xticks(depths, slower)
        axis.set(ylim=(0, None), xlim=(0, None), ylabel="MB held for the backward pass")
        axis.set_xlabel("blocks; × time of a step, recomputed ÷ kept")
        axis.set_title(net, loc="left", fontsize=10, fontweight="bold")
        axis.spines["left"].set_visible(True)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure
