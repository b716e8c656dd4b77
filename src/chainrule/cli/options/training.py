"""Options of `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.there import source_there

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|RECIPE.yaml",
        help="Name of a model, see `chainrule models`; your own package.module:Class or ./file.py:Class; or a recipe.",
    ),
]
Source = Annotated[
    str | None, typer.Option(callback=source_there, help="Named set, file, folder, or hf:NAME.")
]
Out = Annotated[Path | None, typer.Option(help="Run folder. Default: runs/DATA-MODEL.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Maximum number of epochs.")]
Minutes = Annotated[
    float | None, typer.Option(min=0.0, help="Maximum minutes of training; validation follows.")
]
TrainSeed = Annotated[
    int | None, typer.Option(min=0, max=2**32 - 1, help="Random seed of weights, order and dropout.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Hyperparameter or training option; repeatable."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume the run in --out.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace the run in --out once the new one is trained; other files there stay. With --resume, continue a "
        "replacement that was stopped.",
    ),
]
