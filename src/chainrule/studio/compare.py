"""Compare: two runs, or two temperatures, draw from the same noise."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Any

import gradio as gr

from chainrule.errors import ChainruleError
from chainrule.models.base.capabilities import Samples
from chainrule.studio.items import show_items
from chainrule.studio.parts import (
    EVENT,
    choice,
    class_fields,
    class_of,
    seed_field,
    seeded,
    shown,
    temperature_field,
)
from chainrule.studio.runs import Runs
from chainrule.training import Run

LABEL = "Compare"
HELP = "Both sides draw from the same noise: what differs is an effect of the run, or of the temperature."
DRAWS, LONG = 16, 1024  # items; of longer ones, two


def suits(run: Run) -> bool:
    """Whether the run draws items."""
    return isinstance(run.model, Samples) and not run.model.condition.maps


def build(run: Run, runs: Runs) -> None:
    """Lay out two sides."""
    gr.Markdown(HELP)
    with gr.Row():
        fields: list[Any] = [seed_field(), *class_fields(run)]
    start = gr.Button("Draw both", variant="primary", elem_id="compare-start")
    sides = []
    with gr.Row():
        for number, temperature in enumerate((1.0, 0.7)):
            with gr.Column(min_width=300):
                other = choice(runs.names, run.name, "Run")
                heat = temperature_field(temperature)
                sides.append((other, heat, gr.HTML(elem_id=f"compare-{number}")))
    inputs = [*(field for other, heat, _ in sides for field in (other, heat)), *fields]
    start.click(shown(partial(both, run, runs)), inputs, [side[2] for side in sides], **EVENT)


def both(
    run: Run, runs: Runs, one: str, heat: float, other: str, other_heat: float, seed: float, *classes: str
) -> tuple[str, str]:
    """The items of both sides as HTML.

    Raises:
        ChainruleError: if a run is of another domain, or takes other classes.
    """
    cond = class_of(run, classes)
    n = DRAWS if run.model.domain.steps <= LONG else 2
    found = []
    for name, temperature in ((one, heat), (other, other_heat)):
        chosen = runs.open(name)
        if (
            chosen.model.domain != run.model.domain
            or chosen.model.condition.counts != run.model.condition.counts
        ):
            raise ChainruleError(
                f"{name}: expected a run of {run.model.domain}, got one of {chosen.model.domain}"
            )
        x = chosen.model.sample(n, cond, temperature, seeded(seed))
        found.append(show_items(chosen, x, escape(f"{name} at temperature {temperature:g}")))
    return found[0], found[1]
