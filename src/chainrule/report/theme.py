"""The look of charts: inks that can be read on light and on dark pages, and no background."""

from __future__ import annotations

INK = "#808080"
REAL, DRAWN = "#b0b0b0", "#2f8fdd"  # fills of real rows, lines of drawn ones
# To draw with it: `@mpl.rc_context(THEME)` above a function that makes a figure and saves it.
THEME = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "savefig.transparent": True,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 8,
    "legend.frameon": False,
}
