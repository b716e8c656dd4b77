"""A verb over the rows of Parquet files, on an engine of workers: `--engine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.output import print_json, say
from chainrule.errors import ChainruleError

Engine = Annotated[
    str | None,
    typer.Option(
        help="Engine for large tables, Parquet files in and a folder of them out: local, ray or spark. Of the other "
        "options it takes --seed, --particles and --device.",
    ),
]
Workers = Annotated[int, typer.Option(min=1, help="With --engine, processes or actors at once.")]


def over_parts(
    run: Path, verb: str, source: str | None, out: Path | None, engine: str, workers: int, *, json: bool,
    n: int | None = None, **options: Any,
) -> None:  # fmt: skip
    """Do it, with a bar; say how many rows there are."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from chainrule import scale
    from chainrule.cli.output import console

    if out is None or out.suffix:
        raise ChainruleError(f"--engine: expected a folder to write to, -o FOLDER, got {out}")
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=None)
        total = scale.map(
            run, verb, source, out, engine=engine, workers=workers, n=n,
            progress=lambda done, of: bar.update(task, completed=done, total=of), **options,
        )  # fmt: skip
    if json:
        print_json({"rows": total, "folder": str(out)})
    else:
        say(f"{total:,} rows: {out}")


def worker_device(name: str) -> str:
    """Workers share no accelerator unless one is asked for."""
    return "cpu" if name == "auto" else name
