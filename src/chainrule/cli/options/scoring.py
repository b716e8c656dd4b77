"""Options of `score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.there import run_there, source_there

Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT", callback=source_there, help="Named set, image, array, folder or table to score."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Output .csv or .parquet, one row per item.")]
First = Annotated[int | None, typer.Option(min=1, help="Number of items, the first of INPUT. Default: all.")]
Reference = Annotated[
    str,
    typer.Option(help="Split of the run's data that p-values are ranks in; PixelDefend uses train."),
]
ReferenceItems = Annotated[
    int, typer.Option(min=1, help="Number of reference items, the first of the split.")
]
ReferenceData = Annotated[
    str | None,
    typer.Option(
        "--data", callback=source_there, help="Reference data. Default: the data the run was trained on."
    ),
]
Background = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        callback=run_there,
        help="Background model, as trained with --set mutate=0.1; adds the likelihood ratio.",
    ),
]
Complexity = Annotated[
    bool, typer.Option("--complexity", help="Compress the items; add the bits in excess of that.")
]
FalseAlarms = Annotated[
    float, typer.Option(help="Largest share of reference items above the threshold, in (0, 1).")
]
BlameCells = Annotated[
    bool, typer.Option("--blame", help="Name the column to blame for each alarm, and the expected value.")
]
Known = Annotated[
    str | None,
    typer.Option(
        help="Known part: top, left, bottom, right, a fraction such as 0.3, or a mask file. Adds the nats of the "
        "hidden part given it."
    ),
]
Picture = Annotated[
    Path | None, typer.Option(help="Output .png: the least likely images and the bits of their pixels.")
]
