"""The tree of connections by which one output of causal convolutions reads its past."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from chainrule.errors import ChainruleError
from chainrule.files import atomic_path
from chainrule.layers import CausalConv1d
from chainrule.models import AutoregressiveModel
from chainrule.report.curves import to_png
from chainrule.report.theme import DRAWN, INK, THEME

MOST = 64  # sites back that are drawn


@mpl.rc_context(THEME)
def draw_dilation(model: AutoregressiveModel, path: str | Path) -> None:
    """Write a PNG: a row of sites for each causal convolution, and the paths to the last output, after van den Oord et
    al. (2016), "WaveNet", figure 3.

    Args:
        model: of causal convolutions.
        path: of the PNG.

    Raises:
        ChainruleError: if it has none.
    """
    layers = _convolutions(model)
    if not layers:
        raise ChainruleError(
            f"{model.name}: expected causal convolutions, as of wavenet, tcn and causal-conv1d; found none"
        )
    reach = sum(layer.receptive_field for layer in layers)
    width = min(reach, MOST)
    figure = Figure(figsize=(min(12, 3 + 0.14 * width), 1 + 0.45 * len(layers)), layout="constrained")
    axes = figure.add_subplot()
    read, lines = {0}, []
    for row, layer in zip(range(len(layers), 0, -1), reversed(layers), strict=True):
        lines += [[(-back, row), (-back - tap, row - 1)] for back in read for tap in layer.taps.tolist()]
        read = {back + tap for back in read for tap in layer.taps.tolist()}
    sites = np.array([(-back, row) for row in range(len(layers) + 1) for back in range(width + 1)])
    axes.scatter(sites[:, 0], sites[:, 1], s=6, color=INK, alpha=0.4)
    ends = np.array(lines).reshape(-1, 2)
    axes.scatter(ends[:, 0], ends[:, 1], s=9, color=DRAWN, zorder=3)
    axes.add_collection(LineCollection(lines, colors=DRAWN, linewidths=0.7))
    names = ["site before", *(f"{layer.kernel_size} taps, dilation {layer.dilation}" for layer in layers)]
    axes.set_yticks(range(len(names)), names)
    shown = f", of which the last {MOST} are drawn" if reach > MOST else ""
    axes.set(title=f"{model.name}: an output reads {reach + 1:,} sites before it{shown}", xlabel="sites back",
             xlim=(-width - 0.7, 0.7))  # fmt: skip
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))


def _convolutions(model: AutoregressiveModel) -> list[CausalConv1d]:
    """Those that follow one another, first to last; not a shortcut from the input to the output."""
    shortcut = getattr(model.network, "predict", None)
    return [
        layer
        for layer in model.network.modules()
        if isinstance(layer, CausalConv1d) and layer is not shortcut
    ]
