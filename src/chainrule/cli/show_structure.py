"""`chainrule show`: what a model is made of, and what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.cli.opening import check_label
from chainrule.cli.output import print_json, print_table, say
from chainrule.run_files import FIELD, STRUCTURE

if TYPE_CHECKING:
    from torch import Tensor

    from chainrule.models import Model
    from chainrule.training import Run

DRAWN = 16  # samples around which gradients are taken


def show_parts(run: Run, json: bool) -> None:
    """Print what a model without connections between variables is made of; there is no picture."""
    model = run.model
    card = {
        "model": model.name,
        "domain": str(model.domain),
        "parameters": sum(p.numel() for p in model.parameters()),
        "likelihood": model.likelihood,
    }
    card |= _measure(model)
    if json:
        print_json(card)
        return
    print_table(run.name, ["", ""], [[name, str(value)] for name, value in card.items()], words=True)
    _shapes(model)


def _measure(model: Model) -> dict[str, str]:
    """What likelihoods of a table are measured by."""
    from chainrule.domain.measure import reference_measure

    columns = model.domain.columns
    return {"measure": reference_measure(columns)} if columns else {}


def _shapes(model: Model) -> None:
    shapes = [[name, "×".join(map(str, p.shape)), f"{p.numel():,}"] for name, p in model.named_parameters()]
    print_table("Parameters", ["", "shape", "count"], shapes)


def show_structure(run: Run, out: Path, label: list[str] | None, json: bool) -> None:
    """Draw connections, masks and receptive fields; print what the model is made of."""
    import torch

    from chainrule.report import draw_receptive_fields, draw_structure

    model = run.model.factorisation
    generator = torch.Generator().manual_seed(0)
    cond = condition_of(run, label)
    x = model.sample(DRAWN, cond, generator=generator)
    draw_structure(model, x, out, cond)
    reads = model.connectivity().sum(1)
    card = {
        "model": model.name,
        "domain": str(model.domain),
        "parameters": sum(p.numel() for p in model.parameters()),
        "sites": model.sites,
        "variables_per_site": model.head.variables,
        "reads_at_most": int(reads.max()),
        "picture": str(out),
    } | _measure(run.model)
    if model.domain.layout == "image" and model.network.encoder is not None:
        field = out.with_name(FIELD if out.name == STRUCTURE else f"{out.stem}-{FIELD}")
        draw_receptive_fields(model, x, field, cond)
        card["receptive_field"] = str(field)
    if json:
        print_json(card)
        return
    rows = [[name.replace("_", " "), str(value)] for name, value in card.items()]
    print_table(run.name, ["", ""], rows, words=True)
    _shapes(model)
    say(f"picture: {out}")
    if "receptive_field" in card:
        say(f"picture: {card['receptive_field']}")


def condition_of(run: Run, label: list[str] | None, n: int = DRAWN) -> Tensor | None:
    """Classes for each sample, 0 by default; or zeros, or None, as the model takes it."""
    import torch

    condition = run.model.condition
    if condition.counts:
        first = torch.zeros(condition.item_shape, dtype=torch.int64)
        return run.model.expand_cond(check_label(run, label) if label else first, n)
    check_label(run, label)
    return torch.zeros(n, *condition.item_shape) if condition.item_shape else None
