"""Where items lie among usual ones."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from torch import Tensor

from chainrule.report.curves import to_png
from chainrule.report.theme import DRAWN, REAL_FILL, THEME

MOST = 64  # items with a line each


@mpl.rc_context(THEME)
def draw_ranks(nats: Tensor, reference: Tensor, unit: str = "nats") -> bytes:
    """A PNG: the histogram of the nats of usual items (M,), and a line for each of the first items (N,).

    Args:
        nats: of the items.
        reference: of the usual ones.
        unit: of both.
    """
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(reference.cpu().numpy(), bins=40, **{k: v for k, v in REAL_FILL.items() if k != "fill"})
    for value in nats[:MOST].tolist():
        axes.axvline(value, color=DRAWN, linewidth=1.4)
    axes.set(xlabel=f"{unit}, -log p(x): grey held-out items, blue these", yticks=[])
    axes.spines[["top", "right", "left"]].set_visible(False)
    return to_png(figure)
