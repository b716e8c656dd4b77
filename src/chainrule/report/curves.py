"""The learning curve of a run."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.figure import Figure

from chainrule.report.theme import COLOURS, DRAWN, INK, THEME


@mpl.rc_context(THEME)
def learning_curve(metrics: list[dict[str, float]], baselines: dict[str, float], unit: str = "nats") -> bytes:
    """A PNG: nats of training and validation against the epoch, the best epoch marked, baselines as lines.

    Args:
        metrics: rows of a run.
        baselines: name → nats; those far above the curve are left out, so that it fills the picture.
        unit: of what is learnt: "nats", or "nats (density)".
    """
    figure = Figure(figsize=(4.6, 3), layout="constrained")
    axes = figure.add_subplot()
    epochs = [row["epoch"] + 1 for row in metrics]
    valid = [row["valid_nats"] for row in metrics]
    dots = "o" if len(epochs) == 1 else ""  # a line needs two points
    axes.plot(
        epochs, [row["train_nats"] for row in metrics], dots + "-", color=INK, label="train (with dropout)"
    )
    axes.plot(epochs, valid, dots + "-", color=DRAWN, label="validation (averaged weights)")
    finite = sorted(nats for nats in valid if math.isfinite(nats))  # a model that diverged leaves NaN
    low = finite[0]
    best = valid.index(low)
    axes.plot(epochs[best], low, "o", color=DRAWN, label=f"best: {low:.2f} at epoch {epochs[best]:.0f}")
    high = max(finite[int(0.9 * (len(finite) - 1))], low + 0.1 * (abs(low) or 1.0))
    if len(epochs) == 1:
        train = metrics[0]["train_nats"]
        high = max(high, train) if math.isfinite(train) else high
        axes.set_xticks(epochs)
    for name, nats in baselines.items():
        if nats < high + 0.3 * abs(high):
            axes.axhline(nats, color=INK, alpha=0.5, linestyle="--")
            axes.annotate(name, (epochs[-1], nats), color=INK, ha="right", va="bottom")
            high = max(high, nats)
    axes.set(
        xlabel="epoch",
        ylabel=f"{unit} per item",
        ylim=(low - 0.08 * (high - low), high + 0.12 * (high - low)),
    )
    axes.legend()
    return to_png(figure)


@mpl.rc_context(THEME)
def curves_of_runs(runs: Mapping[str, list[dict[str, float]]], unit: str = "nats") -> bytes:
    """A PNG: nats of the validation of each run against the time of training, the best of each marked.

    Args:
        runs: name → rows of a run; those without rows are left out.
        unit: of what is learnt.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.add_subplot()
    lows, highs = [], []
    for k, (name, rows) in enumerate((name, rows) for name, rows in runs.items() if rows):
        finite = [row for row in rows if math.isfinite(row["valid_nats"])]
        best = min(finite, key=lambda row: row["valid_nats"])
        seconds, nats = [row["seconds"] for row in finite], [row["valid_nats"] for row in finite]
        colour = COLOURS[k % len(COLOURS)]
        axes.plot(seconds, nats, color=colour, linewidth=1.4, label=f"{name}: {best['valid_nats']:.2f}")
        axes.plot(best["seconds"], best["valid_nats"], "o", color=colour)
        lows.append(best["valid_nats"])
        highs.append(sorted(nats)[int(0.9 * (len(nats) - 1))])
    if lows:
        low, high = min(lows), max(highs)
        room = (high - low) or 0.1 * (abs(low) or 1.0)
        axes.set(ylim=(low - 0.08 * room, high + 0.12 * room))
        axes.legend(title="best validation", title_fontsize=8)
    axes.set(xlabel="seconds of training", ylabel=f"{unit} per item, validation")
    return to_png(figure)


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
