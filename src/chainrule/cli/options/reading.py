"""Options of reading data, which `train` and `data` share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from chainrule.cli.options.pictures import Axes, Background, Fit, Frames, Mode, Size
from chainrule.cli.parsing import parse_kinds

DomainText = Annotated[
    str | None,
    typer.Option("--domain", help="Domain of the items, such as image:1x28x28:2. Default: inferred."),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=KIND",
        help="Kind of a table column: categorical, number, integer, real, date or drop; repeatable. Default: inferred.",
    ),
]
Rate = Annotated[
    int | None, typer.Option(min=1, help="Sample rate of recordings in Hz. Default: the commonest.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option(help="Label to keep, where items have several, such as digit and speaker; repeatable."),
]
Features = Annotated[
    tuple[int, int] | None,
    typer.Option(
        metavar="BANDS HOP",
        help="Condition on log-mel frames of the recordings: number of bands, samples per frame.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Encoding of texts and .csv files, such as cp1252. Default: UTF-8, or the BOM's."
    ),
]
Resolution = Annotated[
    int | None, typer.Option(min=1, help="Steps per quarter note of MIDI files. Default: 4.")
]
Tracks = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TRACK",
        help="Track of MIDI files to read, by name or number from 0; repeatable. Default: all but drums.",
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Delimiter of the cells of a .csv file. Default: the one of comma, semicolon, tab and | that suits.",
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line of a .csv file has the names of the columns. Default: unless it looks like a row.",
    ),
]
NaValues = Annotated[
    list[str] | None,
    typer.Option(
        "--na",
        metavar="TEXT",
        help='Text of a missing cell in a .csv file; repeatable, --na "" for an empty cell. Default: empty cells, NA, '
        "N/A, null, NaN and the like.",
    ),
]
InParts = Annotated[
    bool | None,
    typer.Option(
        "--in-parts/--whole",
        help="Whether items stay in their files and are read when needed. Default: where they would take more than "
        "1 GiB.",
    ),
]


@dataclass(frozen=True)
class ReadingOptions:
    """How a source is read, as typed."""

    domain: DomainText = None
    column: Kinds = None
    rate: Rate = None
    labels: Labels = None
    features: Features = None
    encoding: Encoding = None
    resolution: Resolution = None
    tracks: Tracks = None
    size: Size = None
    fit: Fit = None
    mode: Mode = None
    background: Background = None
    frames: Frames = None
    axes: Axes = None
    delimiter: Delimiter = None
    header: Header = None
    na_values: NaValues = None
    in_parts: InParts = None

    def given(self) -> dict:
        """The options of `Reading` that were given, as plain values.

        Raises:
            ChainruleError: on a value that makes no sense.
        """
        from chainrule.data import Reading

        options = {field.name: getattr(self, field.name) for field in fields(self)}
        options["columns"] = parse_kinds(options.pop("column"))
        plain = Reading.of(options).to_dict()
        del plain["seed"]  # has no option
        return plain
