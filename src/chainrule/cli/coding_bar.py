"""The progress of `compress` and `decompress`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from chainrule.cli.output import console


@contextmanager
def coding_bar(quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how much has been coded. Yields what takes that number."""
    columns = (BarColumn(bar_width=24, pulse_style="bar.complete"), TextColumn("{task.completed} coded"))
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done: bar.update(task, completed=done)
