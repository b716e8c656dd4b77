"""Options of reading pictures and arrays, which `train` and `data` share."""

from __future__ import annotations

from typing import Annotated

import typer

Size = Annotated[
    str | None,
    typer.Option(
        metavar="HEIGHTxWIDTH",
        help="Bring pictures to this size, height first; one number for a square.",
    ),
]
Fit = Annotated[
    str | None,
    typer.Option(
        help="How pictures get to --size: crop fills it and cuts what stands out, pad shows all on the background, "
        "stretch changes the proportions; crop by default."
    ),
]
Mode = Annotated[
    str | None,
    typer.Option(
        help="Read pictures as L (grey), RGB, LA or RGBA (with transparency), 1 (black and white) or I;16 (grey of 16 "
        "bits); grey if all are, else RGB, by default."
    ),
]
Background = Annotated[
    str | None,
    typer.Option(
        metavar="COLOUR", help="Lay transparent pictures on this, such as black or #80ff00; white by default."
    ),
]
Frames = Annotated[
    str | None,
    typer.Option(help="Of animated pictures and those with pages, read the first or all; first by default."),
]
Axes = Annotated[
    str | None,
    typer.Option(
        metavar="LETTERS",
        help="What the axes of arrays are: N items, C channels, H height, W width in their order, such as NHWC.",
    ),
]
