"""Listen and read: sequences drawn for as long as one wants; a text appears as it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from chainrule.models.base.capabilities import Samples
from chainrule.report.text import text_as_drawn
from chainrule.studio.items import show_items
from chainrule.studio.parts import (
    EVENT,
    class_fields,
    class_of,
    seed_field,
    seeded,
    shown,
    slider,
    temperature_field,
)
from chainrule.studio.runs import Runs
from chainrule.tasks import continuation
from chainrule.training import Run

LABEL = "Listen and read"
MOST_STEPS, MOST_PROMPT = 8192, 1000
PART = 16  # characters that appear together


def suits(run: Run) -> bool:
    """Whether items are texts, sounds or pieces of music."""
    domain = run.model.domain
    return domain.layout == "sequence" and isinstance(run.model, Samples) and not run.model.condition.maps


def build(run: Run, runs: Runs) -> None:
    """Lay out what is asked, and the result."""
    domain = run.model.domain
    reads = run.writing is not None
    with gr.Row():
        fixed = domain.lengths == "ends"  # such items end by themselves
        most = domain.steps if fixed else min(MOST_STEPS, 8 * domain.steps)
        length = slider(1, most, domain.steps, "Steps")
        temperature = temperature_field()
        seed = seed_field()
    prompt = gr.Textbox(
        label="It begins with", max_length=MOST_PROMPT, visible=reads, elem_id="listen-prompt"
    )
    with gr.Row(visible=bool(run.model.condition.counts)):
        classes = class_fields(run)
    start = gr.Button("Draw", variant="primary", elem_id="listen-start")
    drawn = gr.HTML(elem_id="listen-result", min_height=80)
    verb = read if reads else listen
    start.click(shown(partial(verb, run)), [length, temperature, seed, prompt, *classes], drawn, **EVENT)


def read(
    run: Run, length: float, temperature: float, seed: float, prompt: str, *classes: str
) -> Iterator[str]:
    """The text so far, as HTML, again and again."""
    drawn = _drawn(run, length, temperature, seed, prompt, classes, part=PART)
    text = ""
    for more in text_as_drawn(drawn.parts, run.writing, drawn.domain):
        text += more
        yield f"<pre>{escape(text)}</pre>"


def listen(run: Run, length: float, temperature: float, seed: float, prompt: str, *classes: str) -> str:
    """A sound or a piece, as HTML."""
    drawn = _drawn(run, length, temperature, seed, "", classes)
    return show_items(run, drawn.whole(), "a piece that was drawn")


def _drawn(
    run: Run,
    length: float,
    temperature: float,
    seed: float,
    prompt: str,
    classes: tuple[str, ...],
    **how: Any,
) -> Any:
    return continuation(
        run,
        prompt or None,
        length=min(int(length), MOST_STEPS),
        cond=class_of(run, classes),
        generator=seeded(seed),
        temperature=temperature,
        **how,
    )
