"""The group of commands: our own, `data get` beside `data`, and those of other installed packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperGroup

from chainrule.cli.options.group import grouped
from chainrule.cli.verb import Verb
from chainrule.plugins import entries, load_entry

# In the order of the help.
COMMANDS = {
    "models": "chainrule.cli.catalogue:models",
    "data": "chainrule.cli.catalogue:data",
    "data get": "chainrule.cli.get:get",
    "import": "chainrule.cli.importing:import_",
    "train": "chainrule.cli.train:train",
    "tune": "chainrule.cli.tune:tune",
    "evaluate": "chainrule.cli.evaluate:evaluate",
    "compare": "chainrule.cli.compare:compare",
    "ensemble": "chainrule.cli.ensemble:ensemble",
    "sample": "chainrule.cli.sample:sample",
    "interpolate": "chainrule.cli.interpolate:interpolate",
    "continue": "chainrule.cli.continuation:continue_",
    "complete": "chainrule.cli.complete:complete",
    "classify": "chainrule.cli.classify:classify",
    "predict": "chainrule.cli.predict:predict",
    "compare-tables": "chainrule.cli.compare_tables:compare_tables",
    "compress": "chainrule.cli.compress:compress",
    "decompress": "chainrule.cli.decompress:decompress",
    "score": "chainrule.cli.score:score",
    "purify": "chainrule.cli.purify:purify",
    "pack": "chainrule.cli.pack:pack",
    "unpack": "chainrule.cli.pack:unpack",
    "verify": "chainrule.cli.pack:verify",
    "push": "chainrule.cli.share:push",
    "pull": "chainrule.cli.share:pull",
    "zoo": "chainrule.cli.zoo:zoo",
    "show": "chainrule.cli.show:show",
    "studio": "chainrule.cli.studio:studio",
    "report": "chainrule.cli.report:report",
    "export": "chainrule.cli.export:export",
    "bench": "chainrule.cli.bench:bench",
    "reproduce": "chainrule.cli.reproduce:reproduce",
    "compile": "chainrule.cli.compile_loop:compile_",
    "doctor": "chainrule.cli.doctor:doctor",
    "demo": "chainrule.cli.demo:demo",
}


class OwnCommands(Mapping[str, Any]):
    """Our commands by name, each imported and built when it is first asked for."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _command(name, resolve_name(COMMANDS[name]))
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(TyperGroup):
    """Knows `data get` as a command, beside `data SOURCE`, and the commands of other installed packages."""

    def __init__(self, **about: Any) -> None:
        super().__init__(**about)
        self.commands: Any = OwnCommands()

    def list_commands(self, ctx: Any) -> list[str]:
        """See click."""
        return [*self.commands, *entries("commands")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """See click; another package's command is a function with Typer's annotations, as ours are."""
        if found := self.commands.get(cmd_name):
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
