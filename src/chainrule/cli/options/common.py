"""Options of many commands: the run, the input, the class, the output, the device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.there import run_there

RUNS = "a folder of `chainrule train`, a .chainrule file, zoo:NAME or hf://USER/NAME"
RunName = Annotated[str, typer.Argument(metavar="RUN", callback=run_there, help=f"Run: {RUNS}.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed.")]
Device = Annotated[str, typer.Option(help="Device: auto, cpu, cuda, …")]
Label = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLASS",
        help="Class to condition on: its number or name. For a model of several labels LABEL=CLASS, repeatable.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the named sets. Default: $CHAINRULE_DATA, else ~/.cache/chainrule."),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="Split of INPUT: train, valid or test. An INPUT without splits is cut as for training. "
        "Default: all of it."
    ),
]
HeldOut = Annotated[
    str | None,
    typer.Option(
        help="Split of INPUT: train, valid or test. An INPUT without splits is cut as for training. "
        "Default: test where INPUT has splits, else all of it."
    ),
]
Unknown = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Replace characters outside the vocabulary of the run by this one. Default: refuse them.",
    ),
]
Particles = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Importance-sampling candidates per draw, weighted by the known values later in the ordering. "
        "Default: 64 for tables, 16 for latent-variable models, else 1.",
    ),
]
Temperature = Annotated[
    float, typer.Option(min=0, help="Temperature: 1 samples the model, 0 takes the most probable value.")
]
SafeCsv = Annotated[
    bool,
    typer.Option(
        "--safe-csv",
        help="Prefix cells of a .csv that a spreadsheet would run as formulas with an apostrophe.",
    ),
]
