"""What commands print: results to standard output, everything said on the way to standard error."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

console = Console(stderr=True)
results = Console()


def say(text: str) -> None:
    """A remark to the user."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """A result for scripts: one JSON document."""
    print(json.dumps(value, indent=2, default=str))


def print_table(
    title: str, columns: list[str], rows: list[list[str]], *, last_bold: bool = False, words: bool = False
) -> None:
    """A result for people: the first column is a name, the others are numbers, or words."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 or words else "right")
    for i, row in enumerate(rows):
        table.add_row(*row, style="bold" if last_bold and i == len(rows) - 1 else None)
    results.print(table, highlight=False)
