"""What commands print: results to standard output, everything said on the way to standard error."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chainrule.printable import printable
from chainrule.remarks import LOG

if TYPE_CHECKING:
    from chainrule.data import Notes

# Names of files and domains are printed as they are: [x] is no markup, vector:100:2 holds no emoji.
console = Console(stderr=True, markup=False, emoji=False, highlight=False)  # of remarks and progress
aside = Console(
    stderr=True, markup=False, emoji=False, highlight=False
)  # of errors; of results, by `keep_free`
results = Console(markup=False, emoji=False, highlight=False)
_kept_free: ContextVar[bool] = ContextVar("kept_free", default=False)


@contextmanager
def keep_free() -> Iterator[None]:
    """Standard output is a file's: results are printed to standard error."""
    token = _kept_free.set(True)
    try:
        yield
    finally:
        _kept_free.reset(token)


@contextmanager
def _place_of_results() -> Iterator[Console]:
    """Where results go; that it cannot be written is said of it."""
    try:
        yield aside if _kept_free.get() else results
    except OSError as error:
        raise unwritable(error) from error


def unwritable(error: OSError) -> OSError:
    """What became of standard output; that nobody reads on is no error of its own."""
    if isinstance(error, BrokenPipeError):
        return error
    return OSError(f"standard output cannot be written ({error.strerror or error})")


def say(text: str) -> None:
    """A remark to the user."""
    console.print(printable(text, "\n"), soft_wrap=True)


class _Said(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


@contextmanager
def remarks(verbose: bool, quiet: bool) -> Iterator[None]:
    """Say what the library logs, if verbose; if quiet, show neither remarks nor progress: results and errors alone."""
    handler, level = _Said(logging.INFO), LOG.level
    console.quiet = quiet
    if quiet:
        LOG.setLevel(logging.ERROR)
    elif verbose:
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        console.quiet = False
        LOG.removeHandler(handler)
        LOG.setLevel(level)


def tell(text: str) -> None:
    """A result for people, in a sentence."""
    with _place_of_results() as place:
        place.print(printable(text, "\n"), soft_wrap=True)


def put(text: str, end: str = "\n") -> None:
    """A result that is text itself: into a file or a pipe as it is, on a terminal as far as it is visible."""
    with _place_of_results():
        print(printable(text, "\n\t") if sys.stdout.isatty() else text, end=end, flush=True)


def say_notes(notes: Notes) -> None:
    """What was found in a source, ignored and changed, a line each."""
    for line in notes.lines():
        say(line)


def span(files: Sequence[Path]) -> str:
    """One file, or the first and the last of several in a folder."""
    return str(files[0]) if len(files) == 1 else f"{files[0]} to {files[-1].name}"


def say_error(text: str) -> None:
    """Why a command failed, in one line."""
    line = printable(" ".join(text.split()))
    aside.print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)


def print_json(value: object) -> None:
    """A result for scripts: one JSON document; what is no finite number, which JSON lacks, is null."""
    plain = json.loads(json.dumps(value, default=str), parse_constant=lambda name: None)
    with _place_of_results() as place:
        print(json.dumps(plain, indent=2), file=place.file)


def print_table(
    title: str,
    columns: list[str],
    rows: list[list[str]],
    *,
    last_bold: bool = False,
    words: bool = False,
    remark: bool = False,
) -> None:
    """A result for people, or a remark: the first column is a name, the others are numbers, or words."""
    table = Table(title=printable(title), title_justify="left", box=None, pad_edge=False, header_style="dim")
    for i, column in enumerate(columns):
        table.add_column(printable(column), justify="left" if i == 0 or words else "right")
    for i, row in enumerate(rows):
        table.add_row(*map(printable, row), style="bold" if last_bold and i == len(rows) - 1 else None)
    if remark:
        console.print(table)
        return
    with _place_of_results() as place:
        place.print(table)
