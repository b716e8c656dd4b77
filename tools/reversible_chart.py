"""The chart of `chainrule bench reversible`: memory of training against depth, and what it costs in time."""

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

LINES: dict = {
    "kept": {"color": "#8fb3d9", "marker": "s", "markersize": 5},
    "reversible": {"color": "#c0392b", "marker": "D", "markersize": 5},
    "ordinary": {
        "color": "black",
        "marker": "o",
        "markersize": 9,
        "markerfacecolor": "none",
        "linestyle": "",
    },
}
LABELS = {"ordinary": "ordinary blocks", "kept": "reversible, activations kept", "reversible": "reversible"}


def reversible_chart(record: dict) -> Figure:
    """A panel for each net: megabytes against depth, and under each depth how much longer a step takes."""
    nets = list(dict.fromkeys(row["net"] for row in record["rows"]))
    figure, axes = plt.subplots(
        1, len(nets), figsize=(7.6, 3.4), squeeze=False, sharey=True, layout="constrained"
    )
    for axis, net in zip(axes.flat, nets, strict=True):
        rows = [row for row in record["rows"] if row["net"] == net]
        depths = [row["depth"] for row in rows]
        for way, style in LINES.items():
            if way not in rows[0]["peak_saved_bytes"]:
                continue
            saved = [row["peak_saved_bytes"][way] / 1e6 for row in rows]
            axis.plot(depths, saved, label=LABELS[way], clip_on=False, zorder=3, **style)
        axis.set(xscale="log", yscale="log")
        axis.set_xticks(depths, [f"{row['depth']}\n× {row['slower']['kept']:.1f}" for row in rows])
        axis.minorticks_off()
        axis.set_xlabel("blocks, and × time of a step if reversible")
        axis.set_title(net, loc="left", fontsize=10, fontweight="bold")
        axis.spines["left"].set_visible(True)
    axes.flat[0].set_ylabel("held for the backward pass")
    axes.flat[0].set_yticks([10, 30, 100, 300, 1000], ["10 MB", "30 MB", "100 MB", "300 MB", "1 GB"])
    figure.legend(
        *axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    return figure
