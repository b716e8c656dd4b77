"""`chainrule complete`: keep a part of items and draw the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from chainrule.cli.options import (
    DataDir,
    Device,
    Json,
    Label,
    RunFolder,
    Seed,
    check_label,
    data_of,
    open_run,
)
from chainrule.cli.output import print_json, say


def complete(
    run: RunFolder,
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="An image, an array, a folder, or a named set.")
    ],
    out: Annotated[Path, typer.Option("-o", help=".png for a grid; .npy, .csv or .txt for the items.")],
    keep: Annotated[
        str, typer.Option(help="top, left, a fraction such as 0.3, or the file of a mask.")
    ] = "0.5",
    n: Annotated[int, typer.Option("-n", min=1, help="Draws of each item.")] = 8,
    items: Annotated[int, typer.Option(min=1, help="Items of INPUT, from the first on.")] = 8,
    label: Label = None,
    temperature: Annotated[
        float, typer.Option(min=0, help="1 is the model's own; 0 the most probable.")
    ] = 1.0,
    seed: Seed = 0,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Complete items: each row of the grid is the original, what was kept, and n draws of the rest.

    Example: `chainrule complete runs/digits-causal-conv1d digits --keep top -n 8 -o completed.png`
    """
    from chainrule.data import load_items
    from chainrule.files import atomic_path
    from chainrule.report import completion_grid
    from chainrule.report.export import check_output, export_items
    from chainrule.tasks import known_mask

    opened = open_run(run, device)
    model = opened.model
    check_output(out, model.domain)
    cond = check_label(opened, label)
    if opened.vocabulary is not None:
        # Refuses a text of other characters: its levels would mean other ones.
        data_of(opened, source, data_dir)
    x = model.domain.check(load_items(source, model.domain, data_dir=data_dir)[:items]).to(model.device)
    known = known_mask(model.domain, keep)
    generator = torch.Generator().manual_seed(seed)
    drawn = model.complete(x, known, n, generator, cond=cond, temperature=temperature)
    if out.suffix.lower() == ".png":
        with atomic_path(out) as temporary:
            completion_grid(x, known, drawn, model.domain).save(temporary)
    else:
        export_items(drawn.flatten(0, 1), model.domain, out, vocabulary=opened.vocabulary)
    if json:
        print_json(
            {"items": len(x), "n": n, "kept": int(known.sum()), "of": model.domain.size, "file": str(out)}
        )
        return
    say(f"{len(x)} items, {int(known.sum())} of {model.domain.size} variables kept, {n} draws each: {out}")
