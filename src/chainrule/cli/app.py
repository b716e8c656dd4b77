"""The program `chainrule`: its commands, and how they end."""

from __future__ import annotations

import shlex
import sys
import traceback
import warnings

import typer
from typer.core import TyperGroup

from chainrule.cli import (
    bench,
    catalogue,
    classify,
    complete,
    compress,
    demo,
    evaluate,
    get,
    purify,
    reproduce,
    sample,
    score,
    show,
    train,
)
from chainrule.cli.output import say, say_error
from chainrule.errors import ChainruleError
from chainrule.models import ApproximateCompletionWarning


class Commands(TyperGroup):
    """Knows `data get` as a command, beside `data SOURCE`."""

    def resolve_command(self, ctx, args):
        """See click."""
        if args[:2] == ["data", "get"]:
            args = ["data get", *args[2:]]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    help="Deep autoregressive generative models with exact likelihood.\n\n"
    "Example: `chainrule train causal-conv1d --data digits`",
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage. --debug, anywhere, shows tracebacks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("models")(catalogue.models)
app.command("data")(catalogue.data)
app.command("data get")(get.get)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("sample")(sample.sample)
app.command("complete")(complete.complete)
app.command("classify")(classify.classify)
app.command("compress")(compress.compress)
app.command("decompress")(compress.decompress)
app.command("score")(score.score)
app.command("purify")(purify.purify)
app.command("show")(show.show)
app.command("bench")(bench.bench)
app.command("reproduce")(reproduce.reproduce)
app.command("demo")(demo.demo)


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; those of the process by default.

    Returns:
        The exit status: 0 done, 1 failed, 2 wrong usage.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            app(arguments, prog_name="chainrule", obj=shlex.join(["chainrule", *arguments]))
        return 0
    except SystemExit as end:  # how Typer ends, with 0 or 2; with 130 on Ctrl-C
        return min(int(end.code or 0), 2) if end.code != 130 else 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        foreseen = isinstance(error, ChainruleError | OSError)
        say_error(
            str(error) if foreseen else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        )
        return 1


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    if issubclass(category, ApproximateCompletionWarning):
        # Which options there are is known here: the library names its own arguments.
        say(f"note: {message}".replace("particles=", "--particles "))
