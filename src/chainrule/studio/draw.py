"""Draw: what is drawn on a canvas is known, and the model draws the rest."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.engine.native import machine
from chainrule.errors import ChainruleError
from chainrule.models.base.capabilities import Completes, Samples
from chainrule.report import image_grid
from chainrule.studio.parts import (
    EACH,
    EVENT,
    class_fields,
    class_of,
    picture,
    scripted,
    seed_field,
    seeded,
    shown,
    slider,
    temperature_field,
)
from chainrule.studio.runs import Runs
from chainrule.training import Run

LABEL = "Draw"
DRAWS, MOST_DRAWS = 8, 16
CANDIDATES = 16  # for each draw, where known pixels follow unknown ones
MOST_PIXELS = 64 * 64
HELP = (
    "Draw on the canvas. What is grey is unknown: the model draws it, again after every stroke. "
    "A line that you draw below the grey area's edge moves the edge down."
)


def suits(run: Run) -> bool:
    """Whether items are small images of levels that the model draws and completes."""
    domain, model = run.model.domain, run.model
    return (
        domain.layout == "image"
        and isinstance(domain.levels, int)
        and domain.size // domain.event_shape[0] <= MOST_PIXELS
        and domain.event_shape[0] in (1, 3)
        and isinstance(model, Completes)
        and isinstance(model, Samples)
        and not model.condition.maps
    )


def build(run: Run, runs: Runs) -> None:
    """Lay out the canvas and the completions."""
    domain = run.model.domain
    channels, height, width = domain.event_shape
    size: dict[str, Any] = {"high": height, "wide": width, "channels": channels, "levels": domain.levels}
    gr.Markdown(HELP)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            canvas = scripted("pixels", "draw-canvas", **size)
        with gr.Column(scale=3, min_width=300):
            drawn = gr.HTML(elem_id="draw-result", min_height=120)
            note = gr.Markdown(_waiting(), elem_id="draw-note", elem_classes="note")
            with gr.Row():
                count = slider(1, MOST_DRAWS, DRAWS, "Draws", min_width=140)
                temperature = temperature_field(min_width=140)
                seed = seed_field()
            classes = class_fields(run, each=True)
            item = gr.Button("Put a sample on the canvas", elem_id="draw-item")
    fields = [canvas, count, temperature, seed, *classes]
    changes = (canvas.input, count.input, temperature.input, seed.submit)
    for event in (*changes, *(field.input for field in classes)):
        event(shown(partial(complete, run)), fields, [drawn, note], trigger_mode="always_last", **EVENT)
    item.click(shown(partial(sampled, run)), [seed, *classes], [canvas, seed], **EVENT)


def complete(
    run: Run, canvas: Any, count: float, temperature: float, seed: float, *classes: str
) -> tuple[str, str]:
    """The completions of a canvas as HTML, and how long they took.

    Raises:
        ChainruleError: if the canvas is none of the run's.
    """
    model = run.model
    x, known = read_canvas(canvas, model.domain)
    waiting, start = _waiting(), time.perf_counter()
    how: dict[str, Any] = {"temperature": temperature, "particles": CANDIDATES}
    if classes == (EACH,):
        cond = torch.arange(model.condition.counts[0])
        many = x.expand(len(cond), *x.shape[1:])
        found = model.complete(many, known, 1, seeded(seed), cond=cond, **how)[:, 0]
    else:
        n = min(int(count), MOST_DRAWS)
        found = model.complete(x, known, n, seeded(seed), cond=class_of(run, classes), **how)[0]
    seconds = time.perf_counter() - start
    about = f"{len(found)} completions in {seconds:.2f} s. {waiting}"
    columns = 5 if len(found) == 10 else 4
    return picture(image_grid(found, model.domain, columns=columns), about, "pixels"), about


def sampled(run: Run, seed: float, *classes: str) -> tuple[dict, int]:
    """A whole item for the canvas, and the next seed, so that another click gives another one."""
    if classes == (EACH,):
        classes = (str(int(seed or 0) % run.model.condition.counts[0]),)
    item = run.model.sample(1, class_of(run, classes), generator=seeded(seed))
    return {"item": item.flatten().tolist()}, int(seed or 0) + 1


def read_canvas(canvas: Any, domain: Domain) -> tuple[Tensor, Tensor]:
    """An item (1, C, H, W) and which of its variables are known (C, H, W), from what the browser sent.

    Raises:
        ChainruleError: if it is anything else.
    """
    _, height, width = domain.event_shape
    if not isinstance(canvas, dict) or not {"x", "known"} <= set(canvas):
        raise ChainruleError("canvas: nothing is drawn yet")
    x, known = canvas["x"], canvas["known"]
    for name, cells, size in (("x", x, domain.size), ("known", known, height * width)):
        if not isinstance(cells, list) or len(cells) != size or not all(type(c) is int for c in cells):
            raise ChainruleError(f"canvas: expected {size} integers in {name}")
    mask = torch.tensor(known).bool().reshape(1, height, width).expand(domain.event_shape)
    return torch.tensor(x).reshape(1, *domain.event_shape), mask


def _waiting() -> str:
    """A note as long as steps are slow."""
    if machine.ready():
        return ""
    return "Native steps are being compiled, once on this machine: until then drawing is slower."
