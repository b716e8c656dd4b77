"""`chainrule models` and `chainrule data`: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.columns import describe_columns, print_columns
from chainrule.cli.describe_model import describe_model
from chainrule.cli.options.common import DataDir, Json
from chainrule.cli.options.reading import ReadingOptions
from chainrule.cli.options.there import source_there
from chainrule.cli.output import print_json, print_table, tell
from chainrule.cli.own_code import model_name

# What every network takes, for a model of items that have labels or vectors.
CONDITIONS = ("classes", "embedding")

Suited = Annotated[
    str | None,
    typer.Option(
        "--for", metavar="DATA", callback=source_there, help="List those that suit this data, and why."
    ),
]


def models(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Model to describe. Default: list them all.")
    ] = None,
    suited: Suited = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the models, or those that suit a data set; or what --set takes when one is trained.

    Examples:

    `chainrule models`

    `chainrule models made`

    `chainrule models --for people.csv`
    """
    from chainrule.models import hyperparameters_of, list_models, model_entry

    if model is not None:
        describe_model(model_name(model), json)
        return
    if suited is not None:
        _suited(suited, data_dir, json)
        return
    names = list_models()
    if json:
        print_json(
            {n: {"summary": model_entry(n).summary, "hyperparameters": hyperparameters_of(n)} for n in names}
        )
        return
    rows = [
        [
            n,
            model_entry(n).summary,
            ", ".join(
                f"{key}={'auto' if value is None else value}"
                for key, value in hyperparameters_of(n).items()
                if key not in CONDITIONS
            ),
        ]
        for n in names
    ]
    print_table("Models", ["name", "what it is", "hyperparameters (--set key=value)"], rows, words=True)


def _suited(source: str, data_dir: Path | None, json: bool) -> None:
    """The models for a source, the first choice first."""
    from chainrule.data import load_data
    from chainrule.models.choose import choose_models

    loaded = load_data(source, data_dir=data_dir)
    choices = choose_models(loaded.domain, len(loaded.train))
    if json:
        print_json([choice._asdict() for choice in choices])
        return
    title = f"Models for {loaded.name}, {len(loaded.train):,} training items of {loaded.domain}"
    print_table(title, ["name", "why"], [list(choice) for choice in choices], words=True)


def data(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            callback=source_there,
            help="Named set, file, folder, or hf:NAME; ./get for a file called get.",
        ),
    ] = None,
    *,
    reading: ReadingOptions,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show how a data set is read, by the options of `train`; or list the named sets.

    Examples:

    `chainrule data --data-dir ~/data`

    `chainrule data people.csv`

    `chainrule data recordings --rate 16000`

    `chainrule data photos --size 32 --fit pad`
    """
    from chainrule.data import load_data
    from chainrule.data.dataset import SPLITS

    if source is None:
        _named_sets(data_dir, json)
        return
    loaded = load_data(source, data_dir=data_dir, **reading.given())
    if json:
        sizes = {split: len(getattr(loaded, split)) for split in SPLITS}
        about: dict = {"columns": describe_columns(loaded), "labels": loaded.classes, "rate": loaded.rate}
        about |= {"source": loaded.source, "notes": vars(loaded.notes)}
        print_json({"name": loaded.name, "domain": str(loaded.domain), **sizes, **about})
        return
    tell(loaded.describe())
    for line in loaded.notes.lines():
        tell(line)
    tell(f"split: {loaded.source}")
    print_columns(loaded)


def _named_sets(data_dir: Path | None, json: bool) -> None:
    """All named sets, and whether they are here."""
    from chainrule.data import data_folder, list_data
    from chainrule.data.limits import shown

    sets = list_data(data_dir)
    if json:
        print_json([{**vars(s), "path": None if s.path is None else str(s.path)} for s in sets])
        return
    rows = [
        [s.name, "yes" if s.present else f"get, {shown(s.bytes)}", s.licence or "", s.description]
        for s in sets
    ]
    title = f"Named data sets, in {data_folder(data_dir)}; get those that are not here with: chainrule data get NAME"
    print_table(title, ["name", "here", "licence", "what it is"], rows, words=True)
