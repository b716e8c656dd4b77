"""Options of an engine of workers, which the verbs over large tables share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

import typer

from chainrule.errors import ChainruleError

Engine = Annotated[
    str | None,
    typer.Option(
        help="Engine for large tables, Parquet files in and a folder of them out: local, ray or spark. Options that "
        "it cannot follow are refused.",
    ),
]
Workers = Annotated[int, typer.Option(min=1, help="With --engine, processes or actors at once.")]

Gpus = Annotated[
    float,
    typer.Option(
        min=0, help="With --engine ray, GPUs of each actor, which may be a part of one, such as 0.5."
    ),
]


@dataclass(frozen=True)
class EngineOptions:
    """Who works on a large table."""

    engine: Engine = None
    workers: Workers = 1
    gpus: Gpus = 0


# What means something over the parts of large tables, of each verb.
ALWAYS = ("run", "source", "out", "device", "json", *(field.name for field in fields(EngineOptions)))
TAKEN = {
    "score": (),
    "complete": ("seed", "particles"),
    "sample": ("seed", "n"),
    "compress": ("runner", "verify"),
    "decompress": ("anyway",),
}


def check_engine(context: Any) -> None:
    """Refuse options that were typed beside --engine and mean nothing to it.

    Args:
        context: of the command, by Typer's click.

    Raises:
        ChainruleError: naming the first.
    """
    taken = (*ALWAYS, *TAKEN.get(context.command.name, ()))
    for parameter in context.command.params if context.params.get("engine") else ():
        source = context.get_parameter_source(parameter.name)
        if source is not None and source.name == "COMMANDLINE" and parameter.name not in taken:
            raise ChainruleError(f"{parameter.opts[0]}: means nothing with --engine; leave one of them out")
