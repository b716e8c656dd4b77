"""Options of `show`: what to draw, and of which models."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from chainrule.cli.options.common import RUNS, Seed
from chainrule.cli.options.reading import DomainText
from chainrule.cli.options.there import source_there


class Picture(StrEnum):
    """The pictures of a model."""

    STRUCTURE = "structure"
    ORDERINGS = "orderings"
    TEMPERATURES = "temperatures"
    DILATION = "dilation"


Names = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|MODEL...",
        help=f"Run: {RUNS}; or, with --data or --domain, the name of a model, untrained. Several: the receptive "
        "fields side by side.",
    ),
]
What = Annotated[
    Picture,
    typer.Option(
        help="Picture: structure: connections, masks, receptive fields; orderings: the place of each variable in the "
        "order of drawing; temperatures: samples with the same noise, a row per temperature; dilation: the tree of "
        "connections of causal convolutions."
    ),
]
Data = Annotated[
    str | None,
    typer.Option(metavar="SOURCE", callback=source_there, help="Data that an untrained model is made for."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Hyperparameter of an untrained model; repeatable."),
]


@dataclass(frozen=True)
class UntrainedOptions:
    """What an untrained model is made of."""

    data: Data = None
    domain: DomainText = None
    set_: Set = None
    seed: Seed = 0
