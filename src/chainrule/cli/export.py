"""`chainrule export`: a model as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.opening import check_label, open_run
from chainrule.cli.options.common import Json, Label, RunName
from chainrule.cli.output import print_json, say


def export(
    run: RunName,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="NAME.onnx",
            help="File of the step; NAME.parallel.onnx and NAME.onnx.json are written beside it.",
        ),
    ],
    label: Label = None,
    json: Json = False,
) -> None:
    """Export a model to ONNX: one step with its state as inputs and outputs, and the parallel pass.

    NAME.onnx: the site before, its number and the state → logits of the levels of the next site, and the state.
    NAME.parallel.onnx: items → logits of all variables. NAME.onnx.json: shapes, order and initial state, also in
    the metadata of both. docs/how-to/export.md samples with them from Python without torch, and from JavaScript.

    Example: `chainrule export runs/digits-causal-conv1d model.onnx`
    """
    from chainrule.tasks.onnx.export import export as task

    opened = open_run(run, "cpu")
    written = task(opened, out, cond=check_label(opened, label))
    files = written[:3]
    if json:
        print_json({"files": [str(file) for file in files], "difference": written.difference})
        return
    sizes = ", ".join(f"{file} ({file.stat().st_size:,} bytes)" for file in files)
    say(f"{sizes}; log-probabilities by ONNX Runtime differ by at most {written.difference:.1g} nats")
