"""`chainrule interpolate`: draw rows from one class, or one item, to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli.inputs import items_of
from chainrule.cli.opening import check_label
from chainrule.cli.options.drawing import Between, DrawingOptions, Steps, To
from chainrule.errors import ChainruleError
from chainrule.run_files import INTERPOLATION

if TYPE_CHECKING:
    from torch import Tensor

    from chainrule.cli.drawing import Drawing

STEPS = 10


def interpolate(
    *, to: To = None, between: Between = None, steps: Steps = None, drawing: DrawingOptions
) -> None:
    """Interpolate between two classes, or between pairs of items by their latent variables.

    Each row is one interpolation: the condition, or the latent vector, changes along it, the noise stays the same.

    Examples:

    `chainrule interpolate runs/digits-by-class --label 3 --to 8 -o from-3-to-8.png`

    `chainrule interpolate runs/digits-pixel-vae --between digits -n 4 -o between.png`
    """
    from chainrule.cli.drawing import Drawing

    opened = Drawing(drawing, INTERPOLATION)
    if between is not None and to is not None:
        raise ChainruleError("--between: expected no --to")
    n, steps = opened.count(8), steps or STEPS
    if between is None:
        opened.finish(_between_classes(opened, to, n, steps), n, steps)
    else:
        opened.finish(_between_items(opened, between, n, steps), n, steps)


def _between_items(opened: Drawing, source: str, n: int, steps: int) -> Tensor:
    """Rows of items (n · steps, *event_shape), one after another."""
    from chainrule.tasks import interpolate_latent

    model = opened.run.model
    given = items_of(opened.run, source, None, opened.options.data_dir, labels=False, held_out=True)
    x = model.domain.check(given.x[: 2 * n]).to(model.device)
    if len(x) < 2 * n:
        raise ChainruleError(f"--between {source}: expected {2 * n} items, two a row, got {len(x)}")
    return interpolate_latent(model, x[::2], x[1::2], steps, **opened.how).flatten(0, 1)


def _between_classes(opened: Drawing, to: int | None, n: int, steps: int) -> Tensor:
    from chainrule.tasks import interpolate as task

    model = opened.run.model
    if len(model.condition.counts) > 1:
        raise ChainruleError(f"--to: expected a model of one label, got {model.condition.expected}")
    end = check_label(opened.run, None if to is None else [str(to)], "--to")
    if opened.cond is None or end is None:
        raise ChainruleError(
            "--to, --steps: expected --label and --to; or --between, for a model with latent variables"
        )
    return task(model, opened.cond, end, steps, n, **opened.how).flatten(0, 1)
