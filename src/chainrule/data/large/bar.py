"""A progress bar on a terminal, for what takes longer than a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def bar(items: Sequence[T], what: str, sizes: Sequence[int]) -> Iterator[T]:
    """The items, each done when the next is asked for; the bar goes by their sizes, and away at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from chainrule.remarks import wanted

    console = Console(stderr=True)
    columns = (TextColumn(f"reading {what}"), BarColumn(), TimeRemainingColumn())
    hidden = not (console.is_terminal and wanted())
    with Progress(*columns, console=console, transient=True, disable=hidden) as shown:
        task = shown.add_task("", total=sum(sizes))
        for item, size in zip(items, sizes, strict=True):
            yield item
            shown.advance(task, size)
