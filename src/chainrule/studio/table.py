"""A table: a row is edited, cells are hidden, and the model draws them given the others."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
import pandas as pd
import torch

from chainrule.data import encode
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
HELP = (
    "Edit the row; empty a cell to hide it. Blue: draws of each hidden cell given the others; grey: what the model draws "
    "there without knowing anything of the row."
)


def suits(run: Run) -> bool:
    """Whether items are rows of a table that the model completes and draws."""
    model = run.model
    return bool(model.domain.columns) and isinstance(model, Completes) and isinstance(model, Samples)


def build(run: Run, runs: Runs) -> None:
    """Lay out the row and its completions."""
    gr.Markdown(HELP)
    first = run.model.sample(1, generator=seeded(0))
    cells = gr.Dataframe(
        as_text(run.frame(first)),
        datatype="str",
        row_count=(1, "fixed"),
        column_count=(len(run.model.domain.columns), "fixed"),
        interactive=True,
        elem_id="table-row",
        show_label=False,
    )
    with gr.Row():
        seed = seed_field()
        another = gr.Button("Another row")
        start = gr.Button("Draw the hidden cells", variant="primary", elem_id="table-start")
    drawn = gr.HTML(elem_id="table-result", min_height=80)
    start.click(shown(partial(completed, run)), [cells, seed], drawn, **EVENT)
    another.click(shown(partial(sampled, run)), seed, [cells, seed], **EVENT)


def completed(run: Run, cells: pd.DataFrame, seed: float) -> str:
    """Draws of the hidden cells of the first row, as HTML.

    Raises:
        ChainruleError: if no cell is hidden, or one does not suit its column.
    """
    model, columns = run.model, run.model.domain.columns
    row = cells.iloc[:1].replace(r"^\s*$", None, regex=True)
    x = torch.from_numpy(encode(row, columns, "row", allow_missing=True))
    known = ~x.isnan()
    hidden = [column.name for column, there in zip(columns, known[0].tolist(), strict=True) if not there]
    if not hidden:
        raise ChainruleError("row: empty a cell, so that there is something to draw")
    found = run.frame(model.complete(x, known, DRAWS, seeded(seed), particles=CANDIDATES)[0])
    usual = run.frame(model.sample(DRAWS, generator=seeded(seed)))
    compared, _ = read_cells({"usual": usual[hidden], "drawn": found[hidden]})
    shapes = picture(draw_marginals(compared[:MOST]), "each hidden cell, given the others and without them")
    return table(found.head(LISTED)) + shapes


def sampled(run: Run, seed: float) -> tuple[pd.DataFrame, int]:
    """A whole row, and the next seed."""
    seed = int(seed or 0) + 1
    return as_text(run.frame(run.model.sample(1, generator=seeded(seed)))), seed


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells as they are typed; missing ones are empty."""
    return frame.astype(object).where(frame.notna(), "").map(str)
