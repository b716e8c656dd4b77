"""The program `chainrule`: its commands, and how they end."""

from __future__ import annotations

import shlex
import sys
import traceback
import warnings
from contextlib import suppress
from typing import Annotated, Any

import typer

from chainrule._version import __version__
from chainrule.cli.commands import Commands
from chainrule.cli.output import remarks, say, say_error, unwritable
from chainrule.cli.own_code import import_code, take_imports
from chainrule.cli.process import (
    STOPPED,
    TERMINATED,
    UNREAD,
    catch_sigterm,
    check_arguments,
    take_switches,
)
from chainrule.cli.streams import drop_output, ready_streams
from chainrule.errors import ApproximateCompletionWarning, ChainruleError


def _say_version(asked: bool) -> None:
    if asked:
        print(f"chainrule {__version__}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Nothing to do before a command."""


app = typer.Typer(
    cls=Commands,
    callback=_program,  # makes it a group: its commands are built when they are asked for
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Deep autoregressive generative models with exact likelihood.\n\n"
    "Example: `chainrule train causal-conv1d --data digits`",
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped. --debug, anywhere, shows tracebacks; "
    "--verbose, anywhere, says what is decided on the way, such as whether steps are native; "
    "--quiet or -q, anywhere, leaves results and errors alone: no progress, no notes; "
    "--import MODULE, anywhere, imports your own code first, such as package.module or ./my_model.py.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


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
    arguments, switches = take_switches(arguments)
    debug = "--debug" in switches
    with catch_sigterm() as caught, remarks("--verbose" in switches, "--quiet" in switches):
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
