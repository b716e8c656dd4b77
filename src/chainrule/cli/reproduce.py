"""`chainrule reproduce`: train the recipes of a table, print ours beside published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options import DataDir, Device, Json, read_device
from chainrule.cli.output import print_json, print_table, say


def reproduce(
    table: Annotated[
        str | None, typer.Argument(help="A table of recipes; without it, the tables are listed.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="One recipe of the table.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the records, TABLE/RECIPE.json each.")
    ] = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train the recipes of a table again, and print our numbers beside the published ones.

    Validation picks the weights; the test split is then read once.

    Example: `chainrule reproduce digits --only causal-conv1d`
    """
    from chainrule.files import write_text
    from chainrule.results import to_json
    from chainrule.tasks import list_tables, recipes_of
    from chainrule.tasks import reproduce as task

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
    records = []
    for record in task(table, only=only, data_dir=data_dir, device=device):
        records.append(record)
        if out is not None:
            path = out / table / f"{record['name']}.json"
            write_text(path, to_json(record))
            say(f"record: {path}")
    if json:
        print_json(records)
        return
    rows = [
        [
            r["name"],
            *(f"{r[s]['nats']:.2f} ± {r[s]['nats_se']:.2f}" for s in ("valid", "test")),
            _published(r),
        ]
        for r in records
    ]
    print_table(f"{table}, nats per item", ["recipe", "valid", "test", "published"], rows)


def _published(record: dict) -> str:
    published = record["published"] or {}
    return ", ".join(
        f"{key.removesuffix('_nats')} {value}" for key, value in published.items() if key != "source"
    )
