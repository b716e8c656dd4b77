"""Options of reading pictures and arrays."""

from __future__ import annotations

from typing import Annotated

import typer

Size = Annotated[
    str | None,
    typer.Option(metavar="HEIGHTxWIDTH", help="Size of pictures, height first; one number for a square."),
]
Fit = Annotated[
    str | None,
    typer.Option(
        help="Resizing to --size: crop fills it and cuts the rest, pad adds background, stretch changes the "
        "proportions. Default: crop."
    ),
]
Mode = Annotated[
    str | None,
    typer.Option(
        help="Mode of pictures: L (grey), RGB, LA or RGBA (with transparency), 1 (black and white) or I;16 (16-bit "
        "grey). Default: L if all are grey, else RGB."
    ),
]
Background = Annotated[
    str | None,
    typer.Option(
        metavar="COLOUR",
        help="Background of transparent pictures, such as black or #80ff00. Default: white.",
    ),
]
Frames = Annotated[
    str | None,
    typer.Option(help="Frames or pages of a picture to read: first or all. Default: first."),
]
Axes = Annotated[
    str | None,
    typer.Option(
        metavar="LETTERS",
        help="Axes of arrays in order, such as NHWC: N items, C channels, H height, W width.",
    ),
]
