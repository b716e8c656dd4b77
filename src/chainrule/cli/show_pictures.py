"""`chainrule show --what`: structure, orderings, temperatures, dilation; and the receptive fields of several models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from chainrule.cli.options.showing import Picture
from chainrule.cli.output import print_json, say
from chainrule.cli.show_structure import condition_of, show_parts, show_structure
from chainrule.errors import ChainruleError
from chainrule.models.base.capabilities import Bounded, Exact, Sequential
from chainrule.training import Run

SAMPLES, COLUMNS = 4, 10  # around which gradients are taken; in a row of a temperature


def show_picture(run: Run, what: Picture, out: Path, label: list[str] | None, json: bool) -> None:
    """Draw one of the pictures of a model; where it has no connections between variables, print its parts instead.

    Raises:
        ChainruleError: if it has no ordering of its variables, or nothing to draw.
    """
    from chainrule.report.dilation import draw_dilation
    from chainrule.report.orderings import draw_orderings
    from chainrule.report.temperatures import draw_temperatures

    if what is Picture.STRUCTURE:
        if isinstance(run.model, Exact | Bounded) and not isinstance(run.model, Sequential):
            show_parts(run, json)
        else:
            show_structure(run, out, label, json)
        return
    if what is Picture.TEMPERATURES:
        draw_temperatures(run.model, out, COLUMNS, condition_of(run, label, COLUMNS))
    elif what is Picture.ORDERINGS:
        draw_orderings(_factorisation(run), out)
    else:
        draw_dilation(_factorisation(run), out)
    _finish([run], out, json)


def show_side_by_side(runs: list[Run], out: Path, label: list[str] | None, json: bool) -> None:
    """Draw what each model reads to predict the middle pixel.

    Raises:
        ChainruleError: if one is no model of images, or has no ordering of its variables.
    """
    from chainrule.report.fields import compare_receptive_fields

    models = []
    for run in runs:
        model, cond = _factorisation(run), condition_of(run, label, SAMPLES)
        models.append((model, model.sample(SAMPLES, cond, generator=torch.Generator().manual_seed(0)), cond))
    compare_receptive_fields(models, out)
    _finish(runs, out, json)


def _factorisation(run: Run) -> Any:
    if not isinstance(run.model, Sequential):
        raise ChainruleError(
            f"{run.name}: expected a model that draws variable by variable, it has no ordering"
        )
    return run.model.factorisation


def _finish(runs: list[Run], out: Path, json: bool) -> None:
    if json:
        print_json({"models": [run.model.name for run in runs], "picture": str(out)})
    else:
        say(f"picture: {out}")
