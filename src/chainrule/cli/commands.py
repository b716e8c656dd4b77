"""The group of commands: `data get` beside `data`, and those of other installed packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from chainrule.cli.options.group import grouped
from chainrule.cli.verb import Verb
from chainrule.plugins import entries, load_entry


class Commands(TyperGroup):
    """Knows `data get` as a command, beside `data SOURCE`, and the commands of other installed packages."""

    def list_commands(self, ctx: Any) -> list[str]:
        """See click."""
        return [*super().list_commands(ctx), *entries("commands")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """See click; another package's command is a function with Typer's annotations, as ours are."""
        if found := super().get_command(ctx, cmd_name):
            return found
        entry = entries("commands").get(cmd_name)
        return entry and _command(cmd_name, load_entry(entry))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """See click."""
        if args[:2] == ["data", "get"]:
            args = ["data get", *args[2:]]
        return super().resolve_command(ctx, args)


def _command(name: str, function: Callable[..., Any]) -> Any:
    """A function as a command of its own."""
    alone = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False, add_completion=False)
    alone.command(name, cls=Verb)(grouped(function))
    return typer.main.get_command(alone)
