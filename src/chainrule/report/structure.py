"""What a model is made of and what it looks at, as one picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.files import atomic_path
from chainrule.layers import MaskedLinear
from chainrule.models import AutoregressiveModel
from chainrule.report.curves import to_png
from chainrule.report.pictures import is_roll
from chainrule.tasks import receptive_field

Drawing = Callable[[AutoregressiveModel, Axes], None]  # of one panel
MOST_DRAWN = 1024  # variables in a matrix that is still legible
COLUMNS = 4  # panels side by side


def draw_structure(
    model: AutoregressiveModel, x: Tensor, path: str | Path, cond: Tensor | None = None
) -> None:
    """Write a PNG: the declared connections, the masks, and the receptive field measured by gradients.

    Args:
        model: any.
        x: items around which gradients are taken.
        path: of the PNG.
        cond: of the items, for a conditional model.
    """
    panels: list[Drawing] = []
    if model.domain.size <= MOST_DRAWN:
        panels.append(_connections)
    panels += [_mask(name, layer) for name, layer in model.named_modules() if isinstance(layer, MaskedLinear)]
    if model.network.encoder is not None:
        panels += [_field(x, cond, site) for site in _sites(model)]
    if not panels:
        raise ChainruleError(
            f"{model.name}: nothing to draw: over {MOST_DRAWN} variables, without a mask or an encoder"
        )
    columns = min(len(panels), COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 4 * rows), layout="constrained")
    for i, panel in enumerate(panels):
        panel(model, figure.add_subplot(rows, columns, i + 1))
    figure.suptitle(f"{model.name}: declared connections, and |gradient| of one conditional (log scale)")
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))


def draw_masks(model: AutoregressiveModel, path: str | Path) -> None:
    """Write a PNG: which variable reads which, both in the order of the data, and the masks of the layers.

    Args:
        model: with masked layers.
        path: of the PNG.

    Raises:
        ChainruleError: if it has none.
    """
    masks = [_mask(name, layer) for name, layer in model.named_modules() if isinstance(layer, MaskedLinear)]
    if not masks:
        raise ChainruleError(f"{model.name}: has no masks")
    panels: list[Drawing] = [_by_variable, *masks]
    figure = Figure(figsize=(2.2 * len(panels), 2.6), layout="constrained")
    for i, panel in enumerate(panels):
        panel(model, figure.add_subplot(1, len(panels), i + 1))
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))


def _by_variable(model: AutoregressiveModel, axes: Axes) -> None:
    place = model.ordering.inverse.cpu()
    axes.imshow(model.connectivity()[place][:, place].numpy(), cmap="Greys", interpolation="nearest")
    axes.set(title="row reads column", xlabel="variable", ylabel="conditional of")


def _sites(model: AutoregressiveModel) -> list[int]:
    """A quarter and half of the way, and the last; of an image, in the middle of their rows."""
    if model.domain.layout != "image" or not model.ordering.is_raster:
        return sorted({model.sites // 4, model.sites // 2, model.sites - 1})
    _, height, width = model.domain.event_shape
    per_pixel = model.sites // (height * width)
    return sorted({(row * width + width // 2) * per_pixel for row in (height // 4, height // 2, height - 1)})


def _connections(model: AutoregressiveModel, axes: Axes) -> None:
    axes.imshow(model.connectivity().numpy(), cmap="Greys", interpolation="nearest")
    axes.set(title="connections: row reads column", xlabel="variable, generation order", ylabel="conditional")


def _mask(name: str, layer: MaskedLinear) -> Drawing:
    def draw(model: AutoregressiveModel, axes: Axes) -> None:
        axes.imshow(layer.mask.numpy(), cmap="Greys", interpolation="nearest", aspect="auto")
        axes.set(title=f"mask of {name}", xlabel="input", ylabel="output")

    return draw


def _field(x: Tensor, cond: Tensor | None, site: int) -> Drawing:
    def draw(model: AutoregressiveModel, axes: Axes) -> None:
        field = receptive_field(model, x, site, cond)
        reads = int((field > 0).sum())
        place = model.ordering.unflatten(torch.arange(model.domain.size)[None])[0]  # in the generation order
        own = place // model.head.variables == site
        image = model.domain.layout == "image"
        if image:
            field, own = field.sum(0), own.any(0)
        elif is_roll(model.domain):
            field, own = field.T, own.T
        else:
            field, own = field[None], own[None]
        positive = field[field > 0]
        if len(positive):
            norm = LogNorm(max(positive.max().item() * 1e-4, positive.min().item()), positive.max().item())
            axes.imshow(
                torch.where(field > 0, field, torch.nan).numpy(),
                cmap="viridis",
                norm=norm,
                aspect="equal" if image else "auto",
                origin="lower" if is_roll(model.domain) else "upper",
            )
        rows, columns = own.nonzero(as_tuple=True)
        axes.plot(columns, rows, "s", color="C3", markersize=8)
        axes.set(title=f"site {site} (red) reads {reads} variables")
        axes.set_facecolor("0.92")

    return draw
