"""A table: a row is edited, cells are hidden, and the model draws them given the others."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
import pandas as pd
import torch

from chainrule.data import encode
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError
from chainrule.models.base.capabilities import Completes, Samples
from chainrule.report.marginals import MOST, draw_marginals
from chainrule.studio.items import table
from chainrule.studio.parts import EVENT, picture, seed_field, seeded, shown
from chainrule.studio.runs import Runs
from chainrule.tasks.comparison.cells import read_cells
from chainrule.training import Run

LABEL = "Table"
DRAWS, LISTED, CANDIDATES = 400, 8, 64
MOST_COLUMNS, CHOICES = 60, 200
HIDDEN = "hidden"
HELP = (
    "Edit the row; empty a cell to hide it. Of the draws, eight are listed. Blue: each hidden cell given the others; "
    "grey: what the model draws there without knowing anything of the row."
)


def suits(run: Run) -> bool:
    """Whether items are rows of a table that the model completes and draws."""
    model = run.model
    few = 0 < len(model.domain.columns) <= MOST_COLUMNS
    return few and isinstance(model, Completes) and isinstance(model, Samples)


def build(run: Run, runs: Runs) -> None:
    """Lay out the row and its completions."""
    gr.Markdown(HELP)
    values = row_as_text(run, 0)
    with gr.Row(elem_id="table-row"):
        cells = [
            _field(column, value) for column, value in zip(run.model.domain.columns, values, strict=True)
        ]
    with gr.Row():
        seed = seed_field()
        another = gr.Button("Another row", elem_id="table-another")
        start = gr.Button("Draw the hidden cells", variant="primary", elem_id="table-start")
    drawn = gr.HTML(elem_id="table-result", min_height=80)
    start.click(shown(partial(completed, run)), [seed, *cells], drawn, **EVENT)
    another.click(shown(partial(another_row, run)), seed, [seed, *cells], **EVENT)


def completed(run: Run, seed: float, *cells: str) -> str:
    """Draws of the hidden cells of a row, as HTML.

    Args:
        run: of a table.
        seed: of the noise.
        *cells: of the row, as text; the hidden ones are empty.

    Raises:
        ChainruleError: if no cell is hidden, or one does not suit its column.
    """
    model, columns = run.model, run.model.domain.columns
    names = [column.name for column in columns]
    row = {name: [cell or None] for name, cell in zip(names, cells, strict=True)}
    x = torch.from_numpy(encode(pd.DataFrame(row, dtype=object), columns, "row", allow_missing=True))
    known = ~x.isnan()
    hidden = [name for name, there in zip(names, known[0].tolist(), strict=True) if not there]
    if not hidden:
        raise ChainruleError("row: empty a cell, so that there is something to draw")
    found = run.frame(model.complete(x, known, DRAWS, seeded(seed), particles=CANDIDATES)[0])
    usual = run.frame(model.sample(DRAWS, generator=seeded(seed)))
    compared, _ = read_cells({"usual": usual[hidden], "drawn": found[hidden]})
    shapes = picture(draw_marginals(compared[:MOST]), "each hidden cell, given the others and without them")
    return table(found.head(LISTED)) + shapes


def another_row(run: Run, seed: float) -> list[Any]:
    """The next seed, and a row of it."""
    seed = int(seed or 0) + 1
    return [seed, *row_as_text(run, seed)]


def row_as_text(run: Run, seed: int) -> list[str]:
    """The cells of a row that the model draws; missing ones are empty."""
    frame = run.frame(run.model.sample(1, generator=seeded(seed)))
    return ["" if pd.isna(cell) else str(cell) for cell in frame.iloc[0]]


def _field(column: Column, value: str) -> gr.Dropdown | gr.Textbox:
    """A choice of categories, or a field for numbers and for categories that are too many."""
    if 0 < len(column.categories) <= CHOICES:
        choices = [(HIDDEN, ""), *((str(category), str(category)) for category in column.categories)]
        return gr.Dropdown(choices, value=value, label=column.name, min_width=150, interactive=True)
    return gr.Textbox(
        value, label=column.name, placeholder=HIDDEN, min_width=150, max_length=200, interactive=True
    )
