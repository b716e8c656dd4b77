"""Options of `complete`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.there import source_there

Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT", callback=source_there, help="Named set, image, array, folder or table to complete."
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="Output: .png for a grid, .gif or .mp4 to see it drawn; .npy, .csv, .txt or .mid for the items; "
        ".parquet for a table.",
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(
        help="Known part: top, left, bottom, right, a fraction such as 0.3, or a mask file. Default: 0.5; for a table, "
        "the cells that are not missing."
    ),
]
Draws = Annotated[
    int | None,
    typer.Option("--number", "-n", min=1, help="Number of draws per item. Default: 8; for a table 1."),
]
First = Annotated[
    int | None,
    typer.Option(min=1, help="Number of items, the first of INPUT. Default: 8; for a table all."),
]
MostProbable = Annotated[
    bool, typer.Option("--most-probable", help="Take the most probable value at each step: --temperature 0.")
]
