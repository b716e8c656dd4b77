"""What all commands keep to: nothing that is read is written over; - is standard input, or standard output."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from chainrule.cli.options.engine import check_engine
from chainrule.cli.output import keep_free
from chainrule.errors import ChainruleError
from chainrule.files import STANDARD, check_apart, is_standard, is_stream, scratch
from chainrule.run_files import CONFIG, KEPT
from chainrule.synonyms import WORDS

if TYPE_CHECKING:
    from chainrule.training import Run

READ = (
    *("model", "run", "source", "data", "background", "draft", "known", "like", "between", "bits"),
    *("real", "synthetic", "trained_on"),
)
# How files begin: who writes to a pipe gives no ending.
BEGINNINGS = {
    b"\x93NUMPY": ".npy",
    b"PK\x03\x04": ".npz",
    b"PAR1": ".parquet",
    b"RIFF": ".wav",
    b"fLaC": ".flac",
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"MThd": ".mid",
}
GIVEN = "chainrule.given"  # in a context: the arguments as they were typed
UsageError: Any = typer.BadParameter.__base__  # of click, which Typer brings or depends on
_held: ContextVar[ExitStack] = ContextVar("held")


class Verb(TyperCommand):
    """A command whose `out`, if it has one, is none of what it reads."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click; an option that does not exist may be one that --set gives."""
        ctx.meta[GIVEN] = list(args)  # for the help, which is shown before they are read
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            key = getattr(error, "option_name", "").lstrip("-").replace("-", "_")
            known = WORDS if getattr(error, "possibilities", None) else {key}
            if key and key in known and any(p.name == "set_" for p in self.params):
                error.message += f"; hyperparameters and training options are set by --set {key}=VALUE"
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """See click; where --set is an option and a model is named, what it takes of that model follows."""
        super().format_help(ctx, formatter)
        if any(p.name == "set_" for p in self.params) and ctx.meta.get(GIVEN, ["-h"])[0][:1] != "-":
            from chainrule.cli.describe_model import describe_model
            from chainrule.models.registry import list_models

            if (name := ctx.meta[GIVEN][0]) in list_models():
                describe_model(name, json=False)

    def invoke(self, ctx: Any) -> Any:
        """Run it; what came from a pipe is kept until it ends."""
        check_engine(ctx)
        out = ctx.params.get("out")
        with ExitStack() as held:
            token = _held.set(held)
            held.callback(_held.reset, token)
            if out is not None:
                check_apart(out, _files(ctx.params))
                if is_standard(out):
                    held.enter_context(keep_free())
            return super().invoke(ctx)


def _files(params: dict[str, Any]) -> Iterator[Path]:
    """What a command reads; of a run, what it cannot do without."""
    for name in READ:
        given = params.get(name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if isinstance(value, str | Path):
                path = Path(value).expanduser()
                yield from (path / kept for kept in KEPT) if (path / CONFIG).is_file() else (path,)


def arrived(source: str, run: Run | None = None) -> str:
    """A source as a path: what comes on standard input, or another pipe, is put into a file first.

    Args:
        source: as a user named it; - is standard input.
        run: decides what a text is; None if its ending does not matter.
    """
    if not is_stream(source):
        return source
    path = _held.get().enter_context(scratch()) / "standard-input"
    try:
        with path.open("wb") as file:
            if source == STANDARD:
                shutil.copyfileobj(sys.stdin.buffer, file)
            else:
                with Path(source).open("rb") as pipe:
                    shutil.copyfileobj(pipe, file)
    except OSError as error:
        raise ChainruleError(f"{source}: cannot be read ({error.strerror})") from error
    with path.open("rb") as file:
        start = file.read(8)
    found = (ending for beginning, ending in BEGINNINGS.items() if start.startswith(beginning))
    text = ".txt" if run is not None and run.writing is not None else ".csv"
    return str(path.rename(path.with_suffix(next(found, text))))


def named(out: Path, run: Run, ending: str | None = None) -> Path:
    """An output with an ending: standard output gets that of what the run draws, unless it is said, as in -.npy."""
    if str(out) != STANDARD:
        return out
    domain = run.model.domain
    if ending is None and domain.columns:
        ending = ".csv"
    elif ending is None and run.rate is not None:
        ending = ".wav"
    elif ending is None and run.writing is not None:
        ending = ".txt"
    elif ending is None:
        ending = ".png" if domain.layout == "image" and domain.discrete else ".csv"
    return Path(f"{STANDARD}{ending}")
