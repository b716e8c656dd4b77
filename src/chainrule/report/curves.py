"""The learning curve of a run."""

from __future__ import annotations

import io
import math

import matplotlib as mpl
from matplotlib.figure import Figure

from chainrule.report.theme import DRAWN, INK, THEME


@mpl.rc_context(THEME)
def learning_curve(metrics: list[dict[str, float]], baselines: dict[str, float], unit: str = "nats") -> bytes:
    """A PNG: nats of training and validation against the epoch, the best epoch marked, baselines as lines.

    Args:
        metrics: rows of a run.
        baselines: name → nats; those far above the curve are left out, so that it fills the picture.
        unit: of what is learnt: "nats", or "nats (density)".
    """
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    epochs = [row["epoch"] + 1 for row in metrics]
    valid = [row["valid_nats"] for row in metrics]
    axes.plot(epochs, [row["train_nats"] for row in metrics], color=INK, label="train (with dropout)")
    axes.plot(epochs, valid, color=DRAWN, label="validation (averaged weights)")
    finite = sorted(nats for nats in valid if math.isfinite(nats))  # a model that diverged leaves NaN
    low = finite[0]
    best = valid.index(low)
    axes.plot(epochs[best], low, "o", color=DRAWN, label=f"best: {low:.2f} at epoch {epochs[best]:.0f}")
    high = max(finite[int(0.9 * (len(finite) - 1))], low + 0.1 * (abs(low) or 1.0))
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


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
