"""Images above what each of their pixels costs."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from chainrule.bits import bits_per_dim
from chainrule.domain import Domain
from chainrule.files import atomic_path
from chainrule.report.curves import to_png
from chainrule.report.pictures import as_pixels

COLUMNS = 8  # images side by side


def draw_bits(x: Tensor, log_prob: Tensor, domain: Domain, path: str | Path) -> None:
    """Write a PNG: each image, and below it the bits of its pixels, all on one scale.

    Args:
        x: images (B, C, H, W).
        log_prob: nats of each variable, likewise.
        domain: theirs, of levels.
        path: of the PNG.
    """
    nats = -log_prob.double().cpu()
    bits = bits_per_dim(nats.sum(1), 1)  # (B, H, W), of a pixel
    rates = bits_per_dim(nats.flatten(1).sum(1), domain.counted(x).flatten(1).sum(1).cpu())
    pixels = as_pixels(x, domain)
    columns = min(len(x), COLUMNS)
    rows = -(-len(x) // columns)
    _, height, width = domain.event_shape
    figure = Figure(
        figsize=(1.35 * columns + 1.3, rows * (2.5 * min(height / width, 2) + 0.4) + 0.1),
        layout="constrained",
    )
    panels = figure.subplots(2 * rows, columns, squeeze=False)
    limits = {"vmin": 0.0, "vmax": max(bits.max().item(), 1e-9)}
    image, drawn = None, []
    for i in range(rows * columns):
        above, below = panels[2 * (i // columns), i % columns], panels[2 * (i // columns) + 1, i % columns]
        if i >= len(x):
            above.remove()
            below.remove()
            continue
        above.imshow(pixels[i], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        image = below.imshow(bits[i].numpy(), cmap="magma", interpolation="nearest", **limits)
        above.set_title(f"{rates[i].item():.2f} bits/dim", fontsize=8)
        drawn += [above, below]
        for axes in (above, below):
            axes.set(xticks=[], yticks=[])
    for row in range(rows):
        panels[2 * row, 0].set_ylabel("image", fontsize=8)
        panels[2 * row + 1, 0].set_ylabel("its bits", fontsize=8)
    assert image is not None
    bar = figure.colorbar(image, ax=drawn, fraction=0.03, pad=0.01)
    bar.set_label("bits of a pixel, -log₂ p(pixel | those before it)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))
