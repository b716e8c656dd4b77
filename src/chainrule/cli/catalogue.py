"""`chainrule models` and `chainrule data`: what there is."""

from __future__ import annotations

from chainrule.cli.options import DataDir, Json
from chainrule.cli.output import print_json, print_table
from chainrule.data import data_folder, list_data
from chainrule.models import MODELS, hyperparameters_of, list_models


def models(json: Json = False) -> None:
    """List the models and their hyperparameters.

    Example: `chainrule models`
    """
    names = list_models()
    if json:
        print_json(
            {n: {"summary": MODELS[n].summary, "hyperparameters": hyperparameters_of(n)} for n in names}
        )
        return
    rows = [
        [
            n,
            MODELS[n].summary,
            ", ".join(f"{k}={v}" for k, v in hyperparameters_of(n).items() if v is not None),
        ]
        for n in names
    ]
    print_table("Models", ["name", "what it is", "hyperparameters (--set key=value)"], rows, words=True)


def data(data_dir: DataDir = None, json: Json = False) -> None:
    """List the named data sets and whether they are here. Your own files and hf:NAME work as well.

    Example: `chainrule data --data-dir ~/data`
    """
    sets = list_data(data_dir)
    if json:
        print_json([{**vars(s), "path": None if s.path is None else str(s.path)} for s in sets])
        return
    rows = [[s.name, "yes" if s.present else "no", s.description] for s in sets]
    print_table(
        f"Named data sets, in {data_folder(data_dir)}", ["name", "here", "what it is"], rows, words=True
    )
