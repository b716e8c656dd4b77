"""Options of what is shared: `pack`, `push`, `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.options.there import source_there
from chainrule.cli.output import say
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.data import Data
    from chainrule.training import Run

TrainedOn = Annotated[
    str | None,
    typer.Option(
        "--data",
        callback=source_there,
        help="Data that the run was trained on. Default: its source, if it is still there.",
    ),
]
Samples = Annotated[int, typer.Option(min=1, help="Latent samples per item, for a bound.")]
About = Annotated[
    Path | None,
    typer.Option(help="Markdown file for the card: the data, the training, what the model is not for."),
]
Licence = Annotated[str | None, typer.Option(help="Licence of the weights, for the card, such as mit.")]


def about_text(path: Path | None) -> str:
    """The text of --about.

    Raises:
        ChainruleError: if it cannot be read.
    """
    from chainrule.files import read_text

    try:
        return "" if path is None else read_text(path, 2**20)
    except (OSError, UnicodeDecodeError) as error:
        raise ChainruleError(f"--about {path}: cannot be read as text ({error})") from error


def data_to_measure(run: Run, source: str | None, data_dir: Path | None) -> Data | None:
    """The data of a run; None where they are not at hand and none were named, which is said."""
    try:
        return run.load_data(data_dir, source)
    except ChainruleError as error:
        if source is not None:
            raise
        say(f"note: nothing is measured: {error}")
        return None
