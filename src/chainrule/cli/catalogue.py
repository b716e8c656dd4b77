"""`chainrule models` and `chainrule data`: what there is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chainrule.cli.columns import describe_columns, print_columns
from chainrule.cli.options import (
    DataDir,
    DomainText,
    Encoding,
    Features,
    Json,
    Kinds,
    Labels,
    Rate,
    Resolution,
    Tracks,
    given_options,
    parse_kinds,
)
from chainrule.cli.output import print_json, print_table, tell
from chainrule.cli.pictures import Axes, Background, Fit, Frames, Mode, Size
from chainrule.data import data_folder, list_data, load_data
from chainrule.data.dataset import SPLITS
from chainrule.data.limits import shown
from chainrule.models import hyperparameters_of, list_models, model_entry

# What every network takes, for a model of items that have labels or vectors.
CONDITIONS = ("classes", "embedding")


def models(json: Json = False) -> None:
    """List the models and their hyperparameters.

    Example: `chainrule models`
    """
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


def data(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A named set, your own file or folder, or hf:NAME; ./get for a file called get.",
        ),
    ] = None,
    domain: DomainText = None,
    column: Kinds = None,
    rate: Rate = None,
    labels: Labels = None,
    features: Features = None,
    encoding: Encoding = None,
    resolution: Resolution = None,
    tracks: Tracks = None,
    size: Size = None,
    fit: Fit = None,
    mode: Mode = None,
    background: Background = None,
    frames: Frames = None,
    axes: Axes = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say what a data set is taken for, by the options of `train`; or list the named ones and whether they are here.

    Examples:

    `chainrule data --data-dir ~/data`

    `chainrule data people.csv`

    `chainrule data recordings --rate 16000`

    `chainrule data photos --size 32 --fit pad`
    """
    if source is not None:
        how: dict[str, Any] = {
            "encoding": encoding,
            "resolution": resolution,
            "tracks": tracks,
            "columns": parse_kinds(column),
        }
        how |= {
            "size": size,
            "fit": fit,
            "mode": mode,
            "background": background,
            "frames": frames,
            "axes": axes,
        }
        how |= {"domain": domain, "rate": rate, "labels": labels, "features": features}
        loaded = load_data(source, data_dir=data_dir, **given_options(**how))
        if json:
            sizes = {split: len(getattr(loaded, split)) for split in SPLITS}
            columns = describe_columns(loaded)
            about: dict = {"columns": columns, "labels": loaded.classes, "rate": loaded.rate}
            about |= {"source": loaded.source, "notes": vars(loaded.notes)}
            print_json({"name": loaded.name, "domain": str(loaded.domain), **sizes, **about})
            return
        tell(loaded.describe())
        for line in loaded.notes.lines():
            tell(line)
        tell(f"split: {loaded.source}")
        print_columns(loaded)
        return
    sets = list_data(data_dir)
    if json:
        print_json([{**vars(s), "path": None if s.path is None else str(s.path)} for s in sets])
        return
    rows = [
        [
            s.name,
            "yes" if s.present else f"get, {shown(s.bytes)}",
            s.licence or "",
            s.description,
        ]
        for s in sets
    ]
    title = f"Named data sets, in {data_folder(data_dir)}; get those that are not here with: chainrule data get NAME"
    print_table(title, ["name", "here", "licence", "what it is"], rows, words=True)
