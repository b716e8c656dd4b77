"""Options of drawing, which `sample`, `interpolate` and `continue` share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.common import DataDir, Device, Json, Label, RunName, SafeCsv, Seed, Temperature
from chainrule.cli.options.there import source_there

Number = Annotated[
    int | None,
    typer.Option(
        "--number",
        "-n",
        min=1,
        help="Number of samples, or of rows of an interpolation. Default: 64; 8 rows; 1 for .mid. A single text is "
        "printed while it is drawn.",
    ),
]
DrawnTo = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Output: .png, .npy, .csv or .txt; .gif or .mp4 to see the order in which items are drawn, in at most 120 "
        "frames; .mid for piano rolls; .wav or .flac for sounds, several as x-0.wav, …; .csv, .parquet or .npy for "
        "tables; - or -.npy for standard output. Default: a picture in RUN, or the terminal.",
    ),
]
TopK = Annotated[int | None, typer.Option(min=1, help="Keep the k most probable levels.")]
TopP = Annotated[float | None, typer.Option(help="Keep the most probable levels, up to probability p.")]
Tempo = Annotated[float, typer.Option(min=1, help="Tempo of a .mid: quarter notes per minute.")]


class IdsChoice(StrEnum):
    """What ids of drawn rows are."""

    FRESH = "fresh"


Ids = Annotated[
    IdsChoice | None,
    typer.Option(
        help="Columns of a table that are not modelled: fresh writes new ids, which go on after those of training; "
        "free text stays empty. Default: leave these columns out.",
    ),
]
To = Annotated[int | None, typer.Option(help="Class at the end of each row; --label is the start.")]
Between = Annotated[
    str | None,
    typer.Option(
        metavar="INPUT",
        callback=source_there,
        help="Items to interpolate between, two per row, for a model with latent variables: a named set, an image, an "
        "array or a folder. Both ends are reconstructed.",
    ),
]
Steps = Annotated[int | None, typer.Option(min=2, help="Items per row, both ends included. Default: 10.")]
Prompt = Annotated[
    str | None,
    typer.Option(help="Text to continue. Models with a bounded receptive field read its last part only."),
]
Length = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Characters, bytes or steps to reach, the prompt included. Default: the window, or as many after a prompt "
        "that fills it.",
    ),
]
Like = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        callback=source_there,
        help="Recording to draw again from its features, for a model trained with --features; or a set: one sample per "
        "recording.",
    ),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Condition on a column, or on a variable by its number: job=clerk, 'age>=40', 'job in clerk,smith'; "
        "repeatable.",
    ),
]


@dataclass(frozen=True)
class DrawingOptions:
    """From which run, how, and where to."""

    run: RunName
    n: Number = None
    out: DrawnTo = None
    label: Label = None
    temperature: Temperature = 1.0
    top_k: TopK = None
    top_p: TopP = None
    tempo: Tempo = 120
    seed: Seed = 0
    ids: Ids = None
    safe_csv: SafeCsv = False
    data_dir: DataDir = None
    device: Device = "auto"
    json: Json = False
