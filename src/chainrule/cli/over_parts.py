"""A verb over the rows of Parquet files, on an engine of workers: `--engine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule.cli.options.engine import EngineOptions
from chainrule.cli.output import console, print_json, say, say_notes
from chainrule.errors import ChainruleError


def over_parts(
    run: str, verb: str, source: str | None, out: Path | None, over: EngineOptions, *, json: bool,
    device: str = "auto", n: int | None = None, **options: Any,
) -> None:  # fmt: skip
    """Do it, with a bar; say how many rows there are.

    Args:
        run, verb, source, n: see `scale.map`.
        out: the folder of the results.
        over: the engine.
        json: whether the result is for scripts.
        device: as typed; workers share no accelerator unless one is asked for.
        **options: of the verb.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from chainrule import scale
    from chainrule.data import Notes

    if out is None or out.suffix:
        raise ChainruleError(f"--engine: expected a folder to write to, -o FOLDER, got {out}")
    if device != "auto":
        options["device"] = device
    notes = Notes()
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=None)
        total = scale.map(
            run, verb, source, out, engine=over.engine or "local", workers=over.workers,
            gpus=over.gpus, n=n, progress=lambda done, of: bar.update(task, completed=done, total=of),
            notes=notes, **options,
        )  # fmt: skip
    say_notes(notes)
    if json:
        print_json({"rows": total, "folder": str(out)})
    else:
        say(f"{total:,} rows: {out}")
