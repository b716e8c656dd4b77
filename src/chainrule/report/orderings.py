"""The order in which a model draws its variables, beside other orderings of the same domain."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from torch import Tensor

from chainrule.domain.ordering import Ordering
from chainrule.files import atomic_path
from chainrule.models import AutoregressiveModel
from chainrule.report.curves import to_png
from chainrule.report.theme import THEME

OTHERS = ("natural", "reversed", "random-0")
NUMBERED = 16  # cells a side, up to which each shows its number


@mpl.rc_context(THEME)
def draw_orderings(model: AutoregressiveModel, path: str | Path) -> None:
    """Write a PNG: the place of each variable by colour, in the model's ordering and in each other of `OTHERS`.

    Args:
        model: any.
        path: of the PNG.
    """
    panels = {f"{model.name}, {model.sites} sites": model.ordering}
    others = {f"ordering={spec}": Ordering(model.domain, spec) for spec in OTHERS}
    own = model.ordering.variables
    panels |= {title: other for title, other in others.items() if not torch.equal(other.variables, own)}
    figure = Figure(
        figsize=(3.2 * len(panels), 3.4 if model.domain.layout == "image" else 1.6), layout="constrained"
    )
    for axes, (title, ordering) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        place = _place(ordering, model)
        image = axes.imshow(
            place.numpy(), cmap="viridis", interpolation="nearest", vmin=0, vmax=model.domain.size - 1
        )
        axes.set(title=title, xticks=[], yticks=[])
        if max(place.shape) <= NUMBERED:
            for row, column in torch.cartesian_prod(*map(torch.arange, place.shape)).tolist():
                late = place[row, column] > 0.6 * model.domain.size  # on a light colour
                colour = "black" if late else "white"
                axes.text(
                    column, row, int(place[row, column]), ha="center", va="center", fontsize=6, color=colour
                )
    figure.colorbar(image, ax=figure.axes, fraction=0.02, label="place in the order of drawing")
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))


def _place(ordering: Ordering, model: AutoregressiveModel) -> Tensor:
    """The place of the first variable of each pixel, or of each variable of a step or vector: (height, width)."""
    place = ordering.unflatten(torch.arange(model.domain.size)[None])[0]
    if model.domain.layout == "image":
        return place.amin(0)
    return place.T if place.ndim == 2 else place[None]
