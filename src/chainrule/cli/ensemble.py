"""`chainrule ensemble`: several runs as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.opening import open_run
from chainrule.cli.options.common import RUNS, Json
from chainrule.cli.options.there import runs_there
from chainrule.cli.output import print_json, say

Runs = Annotated[
    list[str], typer.Argument(metavar="RUN RUN …", callback=runs_there, help=f"Runs, each {RUNS}.")
]


def ensemble(
    runs: Runs,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Run folder to write, a new one.")],
    json: Json = False,
) -> None:
    """Put trained runs together as one, whose conditionals are the mean of theirs: usually better than each.

    The logits of each variable's conditional are averaged, so the runs must be of the same items in the same order, of
    models with a softmax. Drawing and scoring cost what they cost for all runs.

    Runs in folders RUN/0, RUN/1, … of `chainrule train --seeds` are given as RUN/*.

    Examples:

    `chainrule ensemble runs/digits-gru/* -o runs/together`

    `chainrule evaluate runs/together`
    """
    from chainrule.tasks.ensemble import ensemble as task

    opened = [open_run(run, "cpu") for run in runs]
    if any(run.config.get("data") != opened[0].config.get("data") for run in opened):
        say(f"note: the runs were trained on different data or splits; those of {opened[0].name} are noted")
    model = task(opened, out).model
    weights = sum(parameter.numel() for parameter in model.parameters())
    if json:
        print_json({"model": model.name, "members": len(runs), "weights": weights, "run": out})
        return
    say(f"{len(runs)} runs, {weights:,} weights: {out}")
