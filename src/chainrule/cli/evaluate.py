"""`chainrule evaluate`: the likelihood of a split, beside the baselines."""

from __future__ import annotations

from typing import Annotated

import typer

from chainrule.cli.options import DataDir, Device, Json, RunFolder, data_of, open_run
from chainrule.cli.output import print_json, print_table, say


def evaluate(
    run: RunFolder,
    data: Annotated[str | None, typer.Option(help="Other data in the same domain.")] = None,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    baselines: Annotated[bool, typer.Option(help="Also estimate the baselines.")] = True,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Mean negative log-likelihood in nats and bits/dim, ± its standard error.

    Example: `chainrule evaluate runs/digits-causal-conv1d --split test`
    """
    from chainrule.tasks import evaluate as task

    opened = open_run(run, device)
    result = task(opened.model, data_of(opened, data, data_dir), split, baselines=baselines)
    if json:
        print_json(result.to_dict())
        return
    rows = [
        [name, f"{v.nats:.2f} ± {v.nats_se:.2f}", f"{v.bits_per_dim:.3f} ± {v.bits_per_dim_se:.3f}"]
        for name, v in [*result.baselines.items(), (opened.model.name or "model", result.model)]
    ]
    print_table(f"{split}, {result.model.n} items", ["", "nats", "bits/dim"], rows, last_bold=True)
    if result.floors:
        nats = ", ".join(f"{nats:.2f} at {smallest}" for smallest, nats in result.floors.items())
        say(f"nats by the smallest scale of a density, in units of its column's: {nats}")
