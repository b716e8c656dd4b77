"""What the temperature of drawing does: the same noise, a row of samples per temperature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from torch import Tensor

from chainrule.files import atomic_path
from chainrule.models import Model
from chainrule.report.curves import to_png
from chainrule.report.pictures import as_pixels
from chainrule.report.theme import THEME

TEMPERATURES = (0.0, 0.5, 0.8, 1.0, 1.2, 1.5)


@mpl.rc_context(THEME)
def draw_temperatures(model: Model, path: str | Path, columns: int, cond: Tensor | None = None) -> None:
    """Write a PNG: a row of samples for each of `TEMPERATURES`; those of a column are drawn with the same noise.

    Args:
        model: of levels.
        path: of the PNG.
        columns: samples in a row.
        cond: of the samples, for a conditional model.

    Raises:
        ChainruleError: if the domain is real-valued, or the model knows no temperature.
    """
    rows = [_row(model, temperature, columns, cond) for temperature in TEMPERATURES]
    _, height, width, _ = rows[0].shape
    side = 0.9 * min(max(height / width, 0.2), 2)
    figure = Figure(figsize=(0.9 * columns + 0.6, (side + 0.08) * len(rows) + 0.3), layout="constrained")
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for temperature, pixels, line in zip(TEMPERATURES, rows, panels, strict=True):
        for axes, picture in zip(line, pixels, strict=True):
            axes.imshow(picture.squeeze(-1) if picture.shape[-1] == 1 else picture, cmap="grey", vmin=0, vmax=255,
                        aspect="auto" if height == 1 else "equal", interpolation="nearest")  # fmt: skip
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(f"T = {temperature:g}")
    figure.suptitle(f"{model.name}: samples with the same noise at each temperature", fontsize=9)
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))


def _row(model: Any, temperature: float, columns: int, cond: Tensor | None) -> Any:
    generator = torch.Generator().manual_seed(0)
    return as_pixels(model.sample(columns, cond, temperature=temperature, generator=generator), model.domain)
