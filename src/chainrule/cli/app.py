"""The program `chainrule`: its commands, and how they end."""

from __future__ import annotations

import shlex
import sys
import traceback
import warnings
from contextlib import suppress
from typing import Any

import typer

from chainrule.cli import (
    bench,
    catalogue,
    classify,
    compare_tables,
    complete,
    compress,
    continuation,
    decompress,
    demo,
    evaluate,
    get,
    interpolate,
    predict,
    purify,
    reproduce,
    sample,
    score,
    show,
    train,
)
from chainrule.cli.commands import Commands
from chainrule.cli.options.group import grouped
from chainrule.cli.output import say, say_error, unwritable
from chainrule.cli.own_code import import_code, take_imports
from chainrule.cli.process import STOPPED, TERMINATED, UNREAD, catch_sigterm, check_arguments
from chainrule.cli.streams import drop_output, ready_streams
from chainrule.cli.verb import Verb
from chainrule.errors import ChainruleError
from chainrule.models import ApproximateCompletionWarning

app = typer.Typer(
    cls=Commands,
    help="Deep autoregressive generative models with exact likelihood.\n\n"
    "Example: `chainrule train causal-conv1d --data digits`",
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped. --debug, anywhere, shows tracebacks; "
    "--import MODULE, anywhere, imports your own code first, such as package.module or ./my_model.py.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("models", cls=Verb)(grouped(catalogue.models))
app.command("data", cls=Verb)(grouped(catalogue.data))
app.command("data get", cls=Verb)(grouped(get.get))
app.command("train", cls=Verb)(grouped(train.train))
app.command("evaluate", cls=Verb)(grouped(evaluate.evaluate))
app.command("sample", cls=Verb)(grouped(sample.sample))
app.command("interpolate", cls=Verb)(grouped(interpolate.interpolate))
app.command("continue", cls=Verb)(grouped(continuation.continue_))
app.command("complete", cls=Verb)(grouped(complete.complete))
app.command("classify", cls=Verb)(grouped(classify.classify))
app.command("predict", cls=Verb)(grouped(predict.predict))
app.command("compare-tables", cls=Verb)(grouped(compare_tables.compare_tables))
app.command("compress", cls=Verb)(grouped(compress.compress))
app.command("decompress", cls=Verb)(grouped(decompress.decompress))
app.command("score", cls=Verb)(grouped(score.score))
app.command("purify", cls=Verb)(grouped(purify.purify))
app.command("show", cls=Verb)(grouped(show.show))
app.command("bench", cls=Verb)(grouped(bench.bench))
app.command("reproduce", cls=Verb)(grouped(reproduce.reproduce))
app.command("demo", cls=Verb)(grouped(demo.demo))


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; those of the process by default.

    Returns:
        The exit status: 0 done, 1 failed, 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM; 141 when whoever read
        the output stopped reading.
    """
    ready_streams()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    with catch_sigterm() as caught:
        try:
            check_arguments(arguments)
            command = shlex.join(["chainrule", *arguments])
            arguments, modules = take_imports(arguments)
            for module in modules:
                import_code(module)
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                # A note, whatever Python is asked to show.
                warnings.simplefilter("always", ApproximateCompletionWarning)
                app(arguments, prog_name="chainrule", obj=command)
            status = 0
        except SystemExit as end:  # how Typer ends
            status = UNREAD if isinstance(end.__context__, BrokenPipeError) else int(end.code or 0)
        except KeyboardInterrupt:  # before or after Typer's own work
            status = STOPPED
        except Exception as error:
            status = _fail(error, debug)
        try:
            sys.stdout.flush()
        except OSError as error:
            drop_output()
            status = _fail(unwritable(error), debug)
        return TERMINATED if caught else status


def _fail(error: Exception, debug: bool) -> int:
    """Say why, in one line; nobody reads it where a pipe is broken."""
    if isinstance(error, BrokenPipeError):
        drop_output()
        return UNREAD
    if debug:
        traceback.print_exception(error)
    foreseen = isinstance(error, ChainruleError | OSError)
    with suppress(OSError):  # standard error may be what cannot be written
        say_error(
            str(error) if foreseen else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        )
    return 1


def _show_warning(
    message: Any, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    if issubclass(category, ApproximateCompletionWarning):
        # Which options there are is known here: the library names its own arguments.
        say(f"note: {message}".replace("particles=", "--particles "))
