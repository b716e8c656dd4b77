"""`chainrule show`: what a model is made of and what it looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from chainrule.cli.options import Json, RunFolder, open_run
from chainrule.cli.output import print_json, print_table, say


def show(
    run: RunFolder,
    out: Annotated[Path | None, typer.Option("-o", help="A .png; RUN/structure.png by default.")] = None,
    json: Json = False,
) -> None:
    """Draw the connections, the masks, and the receptive field measured by gradients.

    Example: `chainrule show runs/digits-causal-conv1d`
    """
    from chainrule.report import draw_structure
    from chainrule.report.export import check_ending

    opened = open_run(run, "cpu")
    model, out = opened.model.factorisation, out or run / "structure.png"
    check_ending(out, (".png",))
    generator = torch.Generator().manual_seed(0)
    cond = torch.zeros(16, dtype=torch.int64) if model.condition.classes else None
    draw_structure(model, model.sample(16, cond, generator=generator), out, cond)
    reads = model.connectivity().sum(1)
    card = {
        "model": model.name,
        "domain": str(model.domain),
        "parameters": sum(p.numel() for p in model.parameters()),
        "sites": model.sites,
        "variables_per_site": model.head.variables,
        "reads_at_most": int(reads.max()),
        "picture": str(out),
    }
    if json:
        print_json(card)
        return
    print_table(
        str(run), ["", ""], [[name.replace("_", " "), str(value)] for name, value in card.items()], words=True
    )
    shapes = [[name, "×".join(map(str, p.shape)), f"{p.numel():,}"] for name, p in model.named_parameters()]
    print_table("Parameters", ["", "shape", "count"], shapes)
    say(f"picture: {out}")
