"""`chainrule reproduce`: train the recipes of a table, print ours beside published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.options.common import DataDir, Device, Json
from chainrule.cli.output import print_json, print_table, say

Table = Annotated[str | None, typer.Argument(help="Table of recipes. Default: list the tables.")]
Only = Annotated[
    list[str] | None, typer.Option(help="Recipe of the table, data set or model to train; repeatable.")
]
Missing = Annotated[bool, typer.Option("--missing", help="Train only recipes that have no record in --out.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the records, TABLE/RECIPE.json.")]
Runs = Annotated[
    Path | None,
    typer.Option(help="Folder for the runs, TABLE/RECIPE. Kept; an interrupted run is resumed."),
]
First = Annotated[
    int | None, typer.Option(min=1, help="Number of items per split, to check that a recipe runs.")
]
Epochs = Annotated[
    int | None,
    typer.Option(min=1, help="Number of epochs, to check that a recipe runs. Default: the recipe's."),
]


def reproduce(
    table: Table = None,
    only: Only = None,
    missing: Missing = False,
    out: Out = None,
    runs: Runs = None,
    items: First = None,
    epochs: Epochs = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train the recipes of a table; print our numbers beside the published ones.

    Validation picks the weights; the test split is then read once.

    Examples:

    `chainrule reproduce digits --only causal-conv1d`

    `chainrule reproduce binarized-mnist --only gated-pixelcnn --runs runs`

    `chainrule reproduce debd --only nltcs --only chow-liu --missing --out results`
    """
    from chainrule.reproduce import recipes_of
    from chainrule.reproduce import reproduce as task
    from chainrule.reproduce.reproduce import read_record
    from chainrule.training import find_device

    if table is None:
        _list(json)
        return
    find_device(device)
    if missing and out is None:
        raise typer.BadParameter("expected --out, where the records are", param_hint="--missing")
    names = list(recipes_of(table, only))
    kept = {name: read_record(out, table, name) for name in names} if missing and out is not None else {}
    records = [record for record in kept.values() if record is not None]
    wanted = [name for name in names if kept.get(name) is None]
    options: Any = {"data_dir": data_dir, "device": device, "runs": runs, "items": items, "epochs": epochs}
    for record in task(table, only=wanted, **options) if wanted else ():
        records.append(record)
        if out is not None:
            _write(record, out / table / f"{record['name']}.json")
    if json:
        print_json(records)
    else:
        _print(table, records)


def _list(json: bool) -> None:
    from chainrule.reproduce import list_tables, recipes_of

    listed = {name: sorted(recipes_of(name)) for name in list_tables()}
    if json:
        print_json(listed)
        return
    rows = [[name, ", ".join(recipes)] for name, recipes in listed.items()]
    print_table("Tables", ["table", "recipes"], rows, words=True)


def _write(record: dict, path: Path) -> None:
    from chainrule.files import write_text
    from chainrule.records import to_json

    write_text(path, to_json(record))
    say(f"record: {path}")


def _print(table: str, records: list[dict]) -> None:
    from chainrule.reproduce.published import beside

    rows = [[r["name"], _cell(r["valid"]), _cell(r["test"]), beside(r)] for r in records]
    title = f"{table}, nats per item, or per step of long sequences"
    print_table(title, ["recipe", "valid", "test", "published"], rows)


def _cell(scores: dict) -> str:
    from chainrule.reproduce.published import compared

    nats, error = compared(scores)
    sign = "≤ " if scores.get("bound") else ""
    digits = 3 if "per_step" in scores else 2
    return f"{sign}{nats:.{digits}f} ± {error:.{digits}f}"
