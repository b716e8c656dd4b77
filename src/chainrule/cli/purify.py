"""`chainrule purify`: the likeliest items near given ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.inputs import items_of
from chainrule.cli.opening import check_label, open_run
from chainrule.cli.options.common import DataDir, Device, HeldOut, Json, Label, RunName
from chainrule.cli.options.there import source_there
from chainrule.cli.output import print_json, say, span
from chainrule.cli.verb import named

Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT", callback=source_there, help="Named set, image, array or folder to purify."
    ),
]


def purify(
    run: RunName,
    source: Source,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Output: .png for a grid of pairs; .npy or .csv for the purified items."
        ),
    ],
    epsilon: Annotated[
        int, typer.Option("--epsilon", min=0, help="Largest change of a variable, in levels.")
    ] = 16,
    split: HeldOut = None,
    items: Annotated[
        int | None,
        typer.Option(min=1, help="Number of items, the first of INPUT. Default: 16 for a grid, else all."),
    ] = None,
    label: Label = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Purify items by PixelDefend: move each variable by at most --epsilon levels to its most probable value.

    Grid: each item before and after.

    Example: `chainrule purify runs/digits-causal-conv1d digits --epsilon 3 -o purified.png`
    """
    import torch

    from chainrule.files import atomic_path
    from chainrule.report import image_grid
    from chainrule.report.export import check_output, export_items
    from chainrule.tasks.likelihood import log_probs
    from chainrule.tasks.purify import purify as task

    opened = open_run(run, device)
    model = opened.model
    out = named(out, opened)
    check_output(out, model.domain, opened.rate)
    cond = check_label(opened, label)
    grid = out.suffix.lower() == ".png"
    given = items_of(opened, source, split, data_dir, labels=False, held_out=True)
    x = model.domain.check(given.first(items or (16 if grid else None)).x)
    purified = task(model, x, epsilon, cond=cond)
    files = [out]
    if grid:
        pairs = torch.stack([x.cpu(), purified], dim=1).flatten(0, 1)
        with atomic_path(out) as temporary:
            image_grid(pairs, model.domain, columns=8).save(temporary)
    else:
        files = export_items(purified, model.domain, out, writing=opened.writing, rate=opened.rate)
    conds = model.expand_cond(cond, len(x))
    nats = [-log_probs(model, part, conds).mean().item() for part in (x, purified)]
    if json:
        result = {"items": len(x), "epsilon": epsilon, "nats": nats[0], "purified_nats": nats[1]}
        print_json({**result, "file": str(out), **({"files": files} if len(files) > 1 else {})})
        return
    say(f"{len(x)} items, {nats[0]:.1f} nats each before, {nats[1]:.1f} after: {span(files)}")
