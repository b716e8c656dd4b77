"""Nets: what untrained nets read. The blind spot of PixelCNN beside a gated one, and the masks of MADE."""

from __future__ import annotations

import gradio as gr
import torch

from chainrule.domain import Domain
from chainrule.models import create_model
from chainrule.report import draw_masks, draw_receptive_fields
from chainrule.studio.parts import EVENT, drawing, shown, slider
from chainrule.studio.runs import Runs
from chainrule.training import Run

LABEL = "Nets"
SIDE, VARIABLES = 15, 8
HELP = """Untrained nets: what a conditional reads is a property of the masks. **Blind spot**: pixels above that a
PixelCNN never reads (orange), however deep; the gated one reads them all."""


MASKS = """**Masks of MADE** under an ordering of its variables: 0 is the natural one, others are random. Left, which
variable reads which, in the order of the data; then the masks of the layers, whose units are sorted by
what they may read."""


def suits(run: Run) -> bool:
    """Always: these nets are no run's."""
    return True


def build(run: Run, runs: Runs) -> None:
    """Lay out both explanations."""
    gr.Markdown(HELP)
    depth = slider(1, 5, 3, "Layers")
    look = gr.Button("Look at both", elem_id="nets-look")
    with gr.Column():
        nets = [gr.HTML(elem_id=f"nets-{name}") for name in ("pixelcnn", "gated-pixelcnn")]
    look.click(shown(blind_spots), depth, nets, **EVENT)
    gr.Markdown(MASKS)
    ordering = slider(0, 20, 0, "Ordering", elem_id="nets-ordering")
    masks = gr.HTML(elem_id="nets-masks")
    ordering.input(shown(made_masks), ordering, masks, trigger_mode="always_last", **EVENT)


def blind_spots(depth: float) -> list[str]:
    """What the middle pixel of a PixelCNN and of a gated one reads, layer by layer: HTML of two pictures."""
    domain = Domain.image(1, SIDE, SIDE, levels=2)
    x = torch.randint(2, (8, *domain.event_shape), generator=torch.Generator().manual_seed(0))
    found = []
    for name in ("pixelcnn", "gated-pixelcnn"):
        model = create_model(name, domain, channels=16, depth=int(depth), first_size=3).eval()
        found.append(drawing(draw_receptive_fields, f"receptive fields of {name}", model, x))
    return found


def made_masks(ordering: float) -> str:
    """The connections and masks of a MADE of some ordering, as HTML."""
    domain = Domain.binary(VARIABLES)
    spec = f"random-{int(ordering)}" if ordering else "natural"
    model = create_model("made", domain, hidden=[12, 12], ordering=spec).eval()
    order = " ".join(map(str, model.ordering.variables.tolist()))
    caption = f"<p class='note'>Generation order of the variables: {order}</p>"
    return caption + drawing(draw_masks, f"masks of MADE, {spec} ordering", model)
