"""`chainrule reproduce`: train the recipes of a table, print ours beside published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.opening import read_device
from chainrule.cli.options.common import DataDir, Device, Json
from chainrule.cli.output import print_json, print_table, say


def reproduce(
    table: Annotated[
        str | None, typer.Argument(help="A table of recipes; without it, the tables are listed.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A recipe of the table, a data set or a model; repeatable.")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Train only what has no record of this recipe in --out.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the records, TABLE/RECIPE.json each.")
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(help="A folder for the runs, TABLE/RECIPE each: kept, and gone on with if interrupted."),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(min=1, help="Of each split, the first so many only: to see that a recipe runs."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Instead of the recipe's: to see that it runs.")
    ] = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train the recipes of a table again, and print our numbers beside the published ones.

    Validation picks the weights; the test split is then read once.

    Example: `chainrule reproduce digits --only causal-conv1d`

    Example: `chainrule reproduce binarized-mnist --only gated-pixelcnn --runs runs`

    Example: `chainrule reproduce debd --only nltcs --only chow-liu --missing --out results`
    """
    from chainrule.files import write_text
    from chainrule.records import to_json
    from chainrule.reproduce import list_tables, recipes_of
    from chainrule.reproduce import reproduce as task
    from chainrule.reproduce.published import beside, compared
    from chainrule.reproduce.reproduce import read_record

    if table is None:
        listed = {name: sorted(recipes_of(name)) for name in list_tables()}
        if json:
            print_json(listed)
        else:
            print_table(
                "Tables", ["table", "recipes"], [[t, ", ".join(r)] for t, r in listed.items()], words=True
            )
        return
    read_device(device)
    if missing and out is None:
        raise typer.BadParameter("expected --out, where the records are", param_hint="--missing")
    names = list(recipes_of(table, only))
    kept = {name: read_record(out, table, name) for name in names} if missing and out is not None else {}
    records = [record for record in kept.values() if record is not None]
    wanted = [name for name in names if kept.get(name) is None]
    for record in (
        task(table, only=wanted, data_dir=data_dir, device=device, runs=runs, items=items, epochs=epochs)
        if wanted
        else ()
    ):
        records.append(record)
        if out is not None:
            path = out / table / f"{record['name']}.json"
            write_text(path, to_json(record))
            say(f"record: {path}")
    if json:
        print_json(records)
        return

    def cell(scores: dict) -> str:
        nats, error = compared(scores)
        sign = "≤ " if scores.get("bound") else ""
        digits = 3 if "per_step" in scores else 2
        return f"{sign}{nats:.{digits}f} ± {error:.{digits}f}"

    rows = [
        [
            r["name"],
            *(cell(r[split]) for split in ("valid", "test")),
            beside(r),
        ]
        for r in records
    ]
    print_table(
        f"{table}, nats per item, or per step of long sequences",
        ["recipe", "valid", "test", "published"],
        rows,
    )
