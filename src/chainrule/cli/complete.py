"""`chainrule complete`: keep a part of items and draw the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from chainrule.cli.opening import candidates, check_label, items_of, open_run
from chainrule.cli.options.common import (
    DataDir,
    Device,
    HeldOut,
    Json,
    Label,
    Particles,
    RunFolder,
    SafeCsv,
    Seed,
    Unknown,
)
from chainrule.cli.output import print_json, say, span
from chainrule.cli.verb import arrived, named
from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel, Model

ROWS = 1 << 15  # of a table, drawn at once, all candidates counted
DRAW = "draw"  # the column that numbers the draws of one row


def complete(
    run: RunFolder,
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="An image, an array, a folder, a named set, or a table.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o", help=".png for a grid; .npy, .csv, .txt or .mid for the items; .parquet for a table."
        ),
    ],
    keep: Annotated[
        str | None,
        typer.Option(
            help="top, left, bottom, right, a fraction such as 0.3, or the file of a mask. 0.5 by default; "
            "of a table, the cells that are not missing."
        ),
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", min=1, help="Draws of each item; 8 by default, of a table 1.")
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(min=1, help="Items of INPUT, from the first on; 8 by default, of a table all."),
    ] = None,
    split: HeldOut = None,
    unknown: Unknown = None,
    label: Label = None,
    temperature: Annotated[
        float, typer.Option(min=0, help="1 is the model's own; 0 the most probable.")
    ] = 1.0,
    most_probable: Annotated[
        bool, typer.Option("--most-probable", help="The most probable value at each step: --temperature 0.")
    ] = False,
    particles: Particles = None,
    seed: Seed = 0,
    safe_csv: SafeCsv = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Complete items: each row of the grid is the original, what was kept, and n draws of the rest.

    Of a table, the missing cells are drawn, and the others come out unchanged.

    Examples:

    `chainrule complete runs/digits-causal-conv1d digits --keep top -n 8 -o completed.png`

    `chainrule complete runs/people gaps.csv -o filled.csv`
    """
    from chainrule.files import atomic_path
    from chainrule.report import completion_grid
    from chainrule.report.export import check_output, export_items
    from chainrule.tasks import known_mask

    opened = open_run(run, device)
    model = opened.model
    out, source = named(out, opened), arrived(source, opened)
    check_output(out, model.domain, opened.rate)
    cond = check_label(opened, label)
    temperature = 0.0 if most_probable else temperature
    # The candidates that one factorisation gives for the most probable completion are all the same.
    single = isinstance(model, AutoregressiveModel)
    particles = 1 if temperature == 0 and single else candidates(opened, particles)
    options: dict[str, Any] = {"cond": cond, "temperature": temperature, "particles": particles}
    generator = torch.Generator().manual_seed(seed)
    files = [out]
    if model.domain.columns:
        result = _complete_table(model, source, out, keep, n or 1, items, generator, options, safe_csv)
    else:
        given = items_of(opened, source, split, data_dir, unknown, labels=False, held_out=True).first(
            items or 8
        )
        x = model.domain.check(given.x).to(model.device)
        if given.frames is not None:
            options["cond"] = given.frames.to(model.device)
        known = known_mask(model.domain, keep or "0.5")
        drawn = model.complete(x, known, n or 8, generator, **options)
        if out.suffix.lower() == ".png":
            with atomic_path(out) as temporary:
                completion_grid(x, known, drawn, model.domain).save(temporary)
        else:
            about: dict[str, Any] = {"vocabulary": opened.vocabulary, "rate": opened.rate}
            about["resolution"] = opened.reading.resolution or 1
            files = export_items(drawn.flatten(0, 1), model.domain, out, **about)
        result = {"items": len(x), "n": n or 8, "kept": int(known.sum()), "of": model.domain.size}
    if json:
        print_json({**result, "file": str(out), **({"files": files} if len(files) > 1 else {})})
        return
    what = "cells" if model.domain.columns else "variables"
    say(
        "{items} items, {kept} of {of} {what} kept, {n} draws each: {out}".format(
            **result, what=what, out=span(files)
        )
    )


def _complete_table(
    model: Model,
    source: str,
    out: Path,
    keep: str | None,
    n: int,
    items: int | None,
    generator: torch.Generator,
    options: dict[str, Any],
    safe_csv: bool,
) -> dict:
    """Draw the missing cells, and with `keep` all that it does not keep; write the rows."""
    from chainrule.data import decode, encode
    from chainrule.report.export import export_frame, export_items
    from chainrule.tasks import known_mask

    columns = model.domain.columns
    if n > 1 and DRAW in (column.name for column in columns):
        raise ChainruleError(f"-n: expected 1, for the table has a column {DRAW!r} of its own; got {n}")
    x = torch.from_numpy(encode(source, columns, source, allow_missing=True))[:items].to(model.device)
    known = ~x.isnan()
    if keep is not None:
        known &= known_mask(model.domain, keep).to(model.device)
    rows = max(1, ROWS // (n * options["particles"]))
    parts = zip(x.split(rows), known.split(rows), strict=True)
    drawn = torch.cat([model.complete(part, mask, n, generator, **options) for part, mask in parts])
    if out.suffix.lower() == ".npy":
        export_items(drawn.flatten(0, 1), model.domain, out)
    else:
        frame = decode(drawn.flatten(0, 1), columns)
        if n > 1:
            frame.insert(0, DRAW, torch.arange(n).repeat(len(x)).numpy())
        export_frame(frame, out, safe_csv=safe_csv)
    return {"items": len(x), "n": n, "kept": int(known.sum()), "of": known.numel()}
