"""What the layers of a net of images look at, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.files import atomic_path
from chainrule.models import AutoregressiveModel
from chainrule.report.curves import to_png
from chainrule.tasks import receptive_field, receptive_fields

COLUMNS = 6  # panels side by side
WEAKEST = 1e-4  # of the strongest: what is weaker has the lightest colour
SHADES = ListedColormap(
    [(1 - 0.9 * s, 1 - 0.75 * s, 1 - 0.45 * s) for s in np.linspace(0.25, 1, 256)], "reads"
)
PIXEL, BLIND, UNREAD = "#d62728", "#ffb347", "#ececec"
RULED = 32  # pixels a side, up to which lines are drawn between them


def draw_receptive_fields(
    model: AutoregressiveModel, x: Tensor, path: str | Path, cond: Tensor | None = None
) -> None:
    """Write a PNG: a panel for each layer, the pixels that its features at the middle pixel read, by gradients.

    *Blind* are those in the box around what is read which come earlier in the model's ordering and are not read.

    Args:
        model: of images, with an input encoder.
        x: items around which gradients are taken.
        path: of the PNG.
        cond: of the items, for a conditional model.

    Raises:
        ChainruleError: if the model is none of images, or has no encoder.
    """
    site = _middle(model)
    _, height, width = model.domain.event_shape
    fields = receptive_fields(model, x, site, cond)
    columns = min(len(fields), COLUMNS)
    rows = -(-len(fields) // columns)
    size = 2.1 * max(columns, 2) + 0.8, rows * (2.1 * min(height / width, 2) + 0.3) + 0.75
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    image, any_blind, earlier = None, False, earlier_pixels(model, site)
    for axes, (name, field) in zip(panels, fields.items(), strict=False):
        shades, missed = _draw_field(axes, name, field, earlier)
        image, any_blind = shades or image, any_blind or missed
    for axes in panels[len(fields) :]:
        axes.remove()
    if image is not None:
        bar = figure.colorbar(
            image, ax=panels[: len(fields)], fraction=0.03, pad=0.01, panchor=(0.5, 0.5), format="%g"
        )
        bar.set_label("|gradient| ÷ the largest", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    _explain(figure, any_blind, columns=2 if any_blind and columns < 3 else 4)
    figure.suptitle(f"{model.name}: which pixels each layer reads to predict the red one", fontsize=10)
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))


def compare_receptive_fields(
    models: Sequence[tuple[AutoregressiveModel, Tensor, Tensor | None]], path: str | Path
) -> None:
    """Write a PNG: a panel for each model, the pixels that its parameters of the middle pixel depend on.

    Args:
        models: each with items around which gradients are taken, and the condition of these.
        path: of the PNG.

    Raises:
        ChainruleError: if one is no model of images, or has no encoder.
    """
    figure = Figure(figsize=(2.6 * max(len(models), 2), 3.6), layout="constrained")
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    any_blind = False
    for axes, (model, x, cond) in zip(panels, models, strict=True):
        site = _middle(model)
        field = receptive_field(model, x, site, cond)
        _, missed = _draw_field(axes, str(model.name), field, earlier_pixels(model, site))
        any_blind |= missed
    _explain(figure, any_blind, columns=2)
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))


def _middle(model: AutoregressiveModel) -> int:
    """The site of the first variable of the middle pixel."""
    if model.domain.layout != "image":
        raise ChainruleError(f"{model.name}: expected a model of images, got one of {model.domain}")
    _, height, width = model.domain.event_shape
    variable = height // 2 * width + width // 2
    return int(model.ordering.variables.argsort()[variable]) // model.head.variables


def _draw_field(axes: Axes, name: str, field: Tensor, earlier: Tensor) -> tuple[Any, bool]:
    """A panel of (C, H, W) strengths; the shades, or None where nothing is read, and whether pixels are blind."""
    strength = field.sum(0)
    pixel = strength.shape[0] // 2, strength.shape[1] // 2
    strength[pixel] = 0  # its earlier colours, which the red square covers
    blind = blind_pixels(strength > 0, earlier)
    count, missed = int((strength > 0).sum()), int(blind.sum())
    axes.set_title(f"{name}\nreads {count} pixel{'s' * (count != 1)}, {missed} blind", fontsize=9)
    return _panel(axes, strength, blind, pixel), missed > 0


def earlier_pixels(model: AutoregressiveModel, site: int) -> Tensor:
    """The pixels all of whose variables come before a site: booleans (H, W)."""
    place = model.ordering.unflatten(torch.arange(model.domain.size)[None])[0] // model.head.variables
    return (place < site).all(0)


def blind_pixels(read: Tensor, earlier: Tensor) -> Tensor:
    """What is earlier and not read, in the bounding box of what is read: booleans (H, W) all three."""
    box = torch.zeros_like(read)
    for_rows, for_columns = (read.any(axis).nonzero().flatten() for axis in (1, 0))
    if len(for_rows):
        box[for_rows[0] : for_rows[-1] + 1, for_columns[0] : for_columns[-1] + 1] = True
    return box & earlier & ~read


def _explain(figure: Figure, any_blind: bool, columns: int) -> None:
    """What the colours mean, below the panels."""
    named: dict[str, Any] = {"the pixel": PIXEL, "read": SHADES(0.7), "not read": UNREAD}
    if any_blind:
        named["blind: earlier and within the box of what is read, but not read"] = BLIND
    handles = [Patch(facecolor=colour, edgecolor="0.6", label=name) for name, colour in named.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)


def _panel(axes: Axes, strength: Tensor, blind: Tensor, pixel: tuple[int, int]) -> Any:
    """Draw (H, W) strengths; the image, or None where nothing is read."""
    height, width = strength.shape
    flat: dict[str, Any] = {"interpolation": "nearest", "aspect": "equal"}
    axes.imshow(np.zeros((height, width)), cmap=ListedColormap([UNREAD]), **flat)
    own = torch.full((height, width), torch.nan)
    own[pixel] = 1
    axes.imshow(torch.where(blind, 1.0, torch.nan).numpy(), cmap=ListedColormap([BLIND]), **flat)
    axes.imshow(own.numpy(), cmap=ListedColormap([PIXEL]), **flat)
    image = None
    if strength.any():
        relative = (strength / strength.max()).clamp(min=WEAKEST)
        image = axes.imshow(
            torch.where(strength > 0, relative, torch.nan).numpy(),
            cmap=SHADES,
            norm=LogNorm(WEAKEST, 1),
            **flat,
        )
    axes.set(xticks=[], yticks=[])
    if max(height, width) <= RULED:
        axes.set_xticks(np.arange(1, width) - 0.5, minor=True)
        axes.set_yticks(np.arange(1, height) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=0.5)
        axes.tick_params(which="minor", length=0)
    return image
