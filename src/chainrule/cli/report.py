"""`chainrule report`: the page of a run, written again."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.opening import open_run
from chainrule.cli.options.common import DataDir, Device, RunName
from chainrule.cli.options.there import source_there
from chainrule.cli.output import say, tell
from chainrule.run_files import REPORT
from chainrule.where import beside


def report(
    run: RunName,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output .html. Default: report.html, in RUN.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            callback=source_there,
            help="Data that the run was trained on. Default: its source, if it is still there.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    data_dir: DataDir = None,
    device: Device = "auto",
) -> None:
    """Write the page of a run again: numbers, curve, samples, completions; print where it is.

    Examples:

    `chainrule report runs/digits-causal-conv1d --open`

    `chainrule report zoo:names -o names.html`
    """
    from chainrule.report import write_report
    from chainrule.report.export import check_ending

    out = out or beside(run) / REPORT
    check_ending(out, (".html",))
    opened = open_run(run, device)
    say(f"{opened.name}: evaluating the validation split, drawing samples")
    page = write_report(opened, opened.load_data(data_dir, data), path=out)
    tell(str(page))
    if show:
        webbrowser.open(page.resolve().as_uri())
