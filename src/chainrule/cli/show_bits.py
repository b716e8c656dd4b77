"""`chainrule show --bits`: where the bits of images are."""

from __future__ import annotations

from pathlib import Path

from chainrule.bits import bits_per_dim
from chainrule.cli.inputs import items_of
from chainrule.cli.opening import check_label
from chainrule.cli.output import print_json, say
from chainrule.errors import ChainruleError, ConditionError
from chainrule.models.base.capabilities import Sequential
from chainrule.training import Run


def show_bits(
    run: Run, source: str, out: Path, items: int, label: list[str] | None, data_dir: Path | None, json: bool
) -> None:
    """Draw each image and what its pixels cost.

    Raises:
        ChainruleError: if the model is not of images of levels, mixes orderings, or is not given the classes it needs.
    """
    from chainrule.engine import exact_arithmetic
    from chainrule.report import draw_bits

    model, classes = run.model, run.model.condition.classes
    if model.domain.layout != "image" or not model.domain.discrete:
        raise ChainruleError(f"--bits: expected a model of images of levels, {run.name} is of {model.domain}")
    if isinstance(model, Sequential) and model.orderings > 1:
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
