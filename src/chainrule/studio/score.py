"""Score: nats, bits/dim and p-values of items, where their bits are, and the cell that is to blame."""

from __future__ import annotations

import tempfile
from functools import partial
from html import escape
from pathlib import Path

import gradio as gr
import pandas as pd
import torch
from torch import Tensor

from chainrule.bits import bits_per_dim
from chainrule.data import Items, load_items
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.models.base.capabilities import Bounded, Exact, Samples, Sequential
from chainrule.report import draw_bits
from chainrule.report.ranks import draw_ranks
from chainrule.studio.items import table
from chainrule.studio.parts import EVENT, class_fields, class_of, drawing, picture, shown
from chainrule.studio.runs import Runs
from chainrule.studio.watch import level_names
from chainrule.tasks import blamed_cells, score
from chainrule.tasks.likelihood import log_probs
from chainrule.training import Run

LABEL = "Score"
MOST_ITEMS, MOST_TEXT = 500, 4000
PICTURED, TRIED = 8, 500  # items with a map of bits; rows whose numbers are tried for the blame
SHOWN = {"nats": "nats", "bits_per_dim": "bits/dim", "p_value": "p-value"}
DARKEST = 8.0  # bits of a character
HELP = (
    "How likely are your items under this model? The p-value is the share of held-out items that are as unlikely or "
    "more; a low one marks an anomaly."
)


def suits(run: Run) -> bool:
    """Whether the model has a likelihood."""
    return isinstance(run.model, Exact | Bounded) and not run.model.condition.maps


def build(run: Run, runs: Runs) -> None:
    """Lay out what takes a file or a text, and the scores."""
    gr.Markdown(HELP)
    text = gr.Textbox(
        label="A text, an item a line",
        lines=3,
        max_length=MOST_TEXT,
        visible=run.writing is not None,
        elem_id="score-text",
    )
    file = gr.File(label="A file", elem_id="score-file", height=120, interactive=True)
    with gr.Row(visible=bool(run.model.condition.counts)):
        classes = class_fields(run)
    start = gr.Button("Score", variant="primary", elem_id="score-start")
    found = gr.HTML(elem_id="score-result", min_height=80)
    start.click(shown(partial(scored, run, runs)), [text, file, *classes], found, **EVENT)


def scored(run: Run, runs: Runs, text: str, file: str | None, *classes: str) -> str:
    """The scores of a text, or of the items of a file, as HTML.

    Raises:
        ChainruleError: if there is neither, or it cannot be read as items of the run.
    """
    items = read_items(run, text, file)
    model, x = run.model, items.x
    cond = model.expand_cond(class_of(run, classes), len(x))
    frame = pd.DataFrame({"item": list(items.names) or range(len(x))})
    try:
        reference = runs.usual_nats(run)
    except ChainruleError as error:
        frame["nats"] = -log_probs(model, x, cond).numpy()
        more = (
            f"<p class='note'>No p-values, which need held-out items: {escape(str(error))}. "
            "A file of <code>chainrule pack</code> has their nats.</p>"
        )
    else:
        scores = score(model, x, reference_nats=reference, cond=cond)
        frame = frame.assign(**{title: scores.to_dict()[name].numpy() for name, title in SHOWN.items()})
        more = picture(draw_ranks(scores.nats, reference, _unit(model)), "nats among those of held-out items")
    if model.domain.columns and not model.conditional and isinstance(model, Samples):
        usual = model.sample(TRIED, generator=torch.Generator().manual_seed(0))
        blamed = pd.DataFrame(blamed_cells(model, x, usual))
        frame = frame.join(
            blamed.rename(columns={"column": "to blame", "value": "holds", "gain_nats": "gain, nats"})
        )
    return table(frame.round(4)) + more + _where(run, x, cond)


def _unit(model: Model) -> str:
    return "nats (upper bound)" if isinstance(model, Bounded) else "nats"


def _where(run: Run, x: Tensor, cond: Tensor | None) -> str:
    """The bits of each pixel or character of the first items, as HTML; nothing where none has bits of its own."""
    model, domain = run.model, run.model.domain
    own = isinstance(model, Exact) and isinstance(model, Sequential) and model.orderings == 1
    if (
        not own
        or not domain.discrete
        or run.rate is not None
        or (domain.width > 1 and domain.layout == "sequence")
    ):
        return ""
    x, cond = x[:PICTURED], None if cond is None else cond[:PICTURED]
    with exact_arithmetic(model):
        terms = model.log_prob(x, cond, reduce=False)
    if domain.layout == "image":
        return drawing(draw_bits, "images above the bits of their pixels", x, terms, domain)
    names = level_names(run)
    if names is None:
        return ""
    bits, counted = bits_per_dim(-terms.double(), 1), domain.counted(x)
    lines = (
        "".join(_tinted(names[level], b) for level, b, there in zip(*line, strict=True) if there)
        for line in zip(x.tolist(), bits.tolist(), counted.tolist(), strict=True)
    )
    return (
        "<p class='note'>The redder a character, the more bits it takes.</p><pre>"
        + "\n".join(lines)
        + "</pre>"
    )


def _tinted(character: str, bits: float) -> str:
    strength = min(max(bits, 0) / DARKEST, 1) * 0.7
    return f'<span title="{bits:.2f} bits" style="background:rgba(217,80,43,{strength:.2f})">{escape(character)}</span>'


def read_items(run: Run, text: str, file: str | None) -> Items:
    """At most `MOST_ITEMS` items, by the run's codes.

    Raises:
        ChainruleError: if there are none.
    """
    if text and run.writing is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "text.txt"
            path.write_text(text[:MOST_TEXT], encoding="utf-8")
            return load_items(path, run.reading, labels=False).first(MOST_ITEMS)
    if not file:
        raise ChainruleError("score: expected a file, or a text of a run of texts")
    return load_items(file, run.reading, labels=False).first(MOST_ITEMS)
