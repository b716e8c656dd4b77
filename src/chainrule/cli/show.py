"""`chainrule show`: what a model is made of, what it looks at, and where the bits of images are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from chainrule.bits import bits_per_dim
from chainrule.cli.opening import check_label, items_of, open_run
from chainrule.cli.options.common import DataDir, Json, Label, RunFolder
from chainrule.cli.output import print_json, print_table, say
from chainrule.errors import ChainruleError, ConditionError
from chainrule.models import Autoencoder, AutoregressiveModel, Model
from chainrule.models.base.ensemble import Ensemble
from chainrule.training import Run
from chainrule.training.folder import BITS, FIELD, STRUCTURE

DRAWN = 16  # samples around which gradients are taken


def show(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option("-o", help="A .png; RUN/structure.png, or RUN/bits.png, by default.")
    ] = None,
    bits: Annotated[
        str | None,
        typer.Option(
            metavar="INPUT",
            help="Draw what each pixel of these images costs instead: a named set, an image, an array or a folder.",
        ),
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="Images of --bits, from the first on.")] = 8,
    label: Label = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Draw the connections, the masks, and the receptive fields measured by gradients; or with --bits, images.

    Of images, what each layer reads is a picture of its own, receptive-field.png.

    Examples:

    `chainrule show runs/digits-causal-conv1d`

    `chainrule show runs/digits-causal-conv1d --bits digits -o bits.png`
    """
    from chainrule.report.export import check_ending

    opened = open_run(run, "cpu")
    if bits is None and not isinstance(opened.model, AutoregressiveModel | Ensemble | Autoencoder):
        _parts(opened, json)
    elif bits is None:
        out = out or run / STRUCTURE
        check_ending(out, (".png",))
        _structure(opened, out, label, json)
    else:
        out = out or run / BITS
        check_ending(out, (".png",))
        _bits(opened, bits, out, items, label, data_dir, json)


def _parts(run: Run, json: bool) -> None:
    """Of a model whose variables do not read one another: what it is made of, without a picture."""
    model = run.model
    card = {
        "model": model.name,
        "domain": str(model.domain),
        "parameters": sum(p.numel() for p in model.parameters()),
        "likelihood": model.likelihood,
    }
    if json:
        print_json(card)
        return
    print_table(str(run.folder), ["", ""], [[name, str(value)] for name, value in card.items()], words=True)
    _shapes(model)


def _shapes(model: Model) -> None:
    shapes = [[name, "×".join(map(str, p.shape)), f"{p.numel():,}"] for name, p in model.named_parameters()]
    print_table("Parameters", ["", "shape", "count"], shapes)


def _structure(run: Run, out: Path, label: list[str] | None, json: bool) -> None:
    from chainrule.report import draw_receptive_fields, draw_structure

    model = run.model.factorisation
    generator = torch.Generator().manual_seed(0)
    cond = _condition(run, label)
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
    }
    if model.domain.layout == "image" and model.network.encoder is not None:
        default = run.folder is not None and out == run.folder / STRUCTURE
        field = out.with_name(FIELD if default else f"{out.stem}-{FIELD}")
        draw_receptive_fields(model, x, field, cond)
        card["receptive_field"] = str(field)
    if json:
        print_json(card)
        return
    rows = [[name.replace("_", " "), str(value)] for name, value in card.items()]
    print_table(str(run.folder), ["", ""], rows, words=True)
    _shapes(model)
    say(f"picture: {out}")
    if "receptive_field" in card:
        say(f"picture: {card['receptive_field']}")


def _condition(run: Run, label: list[str] | None) -> Tensor | None:
    """For each sample the classes, 0 unless they are said; or zeros, or None, as the model takes it."""
    condition = run.model.condition
    if condition.counts:
        first = torch.zeros(condition.item_shape, dtype=torch.int64)
        return run.model.expand_cond(check_label(run, label) if label else first, DRAWN)
    check_label(run, label)
    return torch.zeros(DRAWN, *condition.item_shape) if condition.item_shape else None


def _bits(
    run: Run, source: str, out: Path, items: int, label: list[str] | None, data_dir: Path | None, json: bool
) -> None:
    from chainrule.engine import exact_arithmetic
    from chainrule.report import draw_bits

    model, classes = run.model, run.model.condition.classes
    if model.domain.layout != "image" or not model.domain.discrete:
        raise ChainruleError(
            f"--bits: expected a model of images of levels, {run.folder} is of {model.domain}"
        )
    if isinstance(model, Ensemble) and model.orderings > 1:
        raise ChainruleError(
            f"--bits: {model.name} mixes {model.orderings} orderings, so a pixel has no bits of its own, "
            "only the image has; expected a model of one ordering"
        )
    given = items_of(
        run, source, None, data_dir, labels=None if isinstance(classes, int) else False, held_out=True
    ).first(items)
    x, cond = model.domain.check(given.x), given.labels
    if classes is not None and label is None and cond is None:
        ranges = model.condition.ranges
        raise ConditionError(f"{source}: has no labels; expected --label, a class in {ranges}")
    if label is not None or classes is None:
        cond = model.expand_cond(check_label(run, label), len(x))
    with exact_arithmetic(model):
        log_prob = model.log_prob(x, cond, reduce=False)
    draw_bits(x, log_prob, model.domain, out)
    each = bits_per_dim(-log_prob.double().flatten(1).sum(1), model.counted(x).flatten(1).sum(1))
    if json:
        print_json({"items": len(x), "bits_per_dim": each.tolist(), "picture": str(out)})
        return
    say(f"{len(x)} images, {each.mean():.3f} bits/dim on average: {out}")
