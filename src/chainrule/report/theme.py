"""The look of charts: inks that can be read on light and on dark pages, and no background.

A function that draws and saves a figure takes it on by `@mpl.rc_context(THEME)`.
"""

from __future__ import annotations

from typing import Any

INK = "#808080"
REAL, DRAWN = "#b0b0b0", "#2f8fdd"
COLOURS = (DRAWN, "#d9822b", "#3a9a5b", "#c0485c", "#8a63c7", "#1f9e9e")  # of several runs
REAL_FILL: Any = {"fill": True, "color": REAL}
DRAWN_LINE: Any = {"color": DRAWN, "linewidth": 1.4}
THEME: Any = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "savefig.transparent": True,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 8,
    "legend.frameon": False,
}
