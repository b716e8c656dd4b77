"""Options of `train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.common import Device
from chainrule.cli.options.there import run_there, source_there

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
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder. Default: runs/DATA-MODEL.")]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of epochs. Default: by the number of items.")
]
Minutes = Annotated[
    float | None, typer.Option(min=0.0, help="Maximum minutes of training; validation follows.")
]
TrainSeed = Annotated[
    int | None, typer.Option(min=0, max=2**32 - 1, help="Random seed of weights, order and dropout.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Hyperparameter or training option, as `chainrule models MODEL` lists them; repeatable.",
    ),
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
Devices = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes on this machine that share each batch. Default: 1, or what torchrun started."
    ),
]
Nodes = Annotated[
    int | None, typer.Option(min=1, help="Machines; torchrun or srun starts the processes on each.")
]
Strategy = Annotated[
    str,
    typer.Option(help="Strategy: ddp, each process holds the model; fsdp, its share of it; auto, ddp."),
]
Accumulate = Annotated[
    int, typer.Option(min=1, help="Passes into which each batch is cut; gradients are summed.")
]
CheckpointMinutes = Annotated[
    float,
    typer.Option(
        min=0.0, help="Minutes after which a checkpoint is written within an epoch; 0: after epochs alone."
    ),
]
Extend = Annotated[
    bool,
    typer.Option(
        "--extend",
        help="With --resume, let epochs, steps, minutes, patience, lr and cosine be others than before.",
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="RUN", callback=run_there, help="Run of the same model whose weights to start with."
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(min=2, help="Number of runs, of seeds --seed, --seed + 1, …, in folders 0, 1, … of --out."),
]
Deterministic = Annotated[
    bool,
    typer.Option(
        "--deterministic", help="Use deterministic kernels only: slower, the same numbers each time."
    ),
]
Logger = Annotated[
    list[str] | None,
    typer.Option(help="Logger beside the run's files: tensorboard, csv, wandb or mlflow; repeatable."),
]


@dataclass(frozen=True)
class CourseOptions:
    """From where a run starts, how many there are, and what becomes of one that is there."""

    seeds: Seeds = None
    start: From = None
    resume: Resume = False
    extend: Extend = False
    overwrite: Overwrite = False
    checkpoint_minutes: CheckpointMinutes = 10.0
    logger: Logger = None


@dataclass(frozen=True)
class RanksOptions:
    """What computes."""

    device: Device = "auto"
    devices: Devices = None
    nodes: Nodes = None
    strategy: Strategy = "auto"
    accumulate: Accumulate = 1
    deterministic: Deterministic = False
