"""`chainrule classify`: which class each item is of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.inputs import items_of
from chainrule.cli.opening import open_run
from chainrule.cli.options.common import DataDir, Device, Json, RunName, Split
from chainrule.cli.options.there import source_there
from chainrule.cli.output import print_json, put, say
from chainrule.cli.verb import named
from chainrule.errors import ConditionError, DataError

if TYPE_CHECKING:
    from torch import Tensor


Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT", callback=source_there, help="Named set, image, array or folder to classify."
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Output .csv, one row per item. Default: the terminal.")
]


def classify(
    run: RunName,
    source: Source,
    out: Out = None,
    split: Split = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Classify items: p(class | item) by Bayes' rule, with a uniform prior over the classes.

    For a model trained with `--set classes=10`. Prints the accuracy too, where INPUT has labels.

    Example: `chainrule classify runs/digits-classes digits --split test -o labels.csv`
    """
    from chainrule.files import write_text
    from chainrule.report.export import check_ending
    from chainrule.tasks import classify as task
    from chainrule.tasks.classify import accuracy

    opened = open_run(run, device)
    model, classes = opened.model, opened.model.condition.classes
    if classes is None:
        raise ConditionError(
            f"{run}: expected a model of classes; train one with --set classes=10, say, on data with labels"
        )
    if not isinstance(classes, int):
        raise ConditionError(
            f"{run}: expected a model of one label, its condition is {model.condition.expected}"
        )
    if out is not None:
        out = named(out, opened, ".csv")
        check_ending(out, (".csv",))
    items = items_of(opened, source, split, data_dir, labels=None)
    x, labels = items.x, items.labels
    if labels is not None and labels.ndim > 1:
        labels = None  # of several, none is said to be the model's
    if labels is not None and labels.max() >= classes:
        raise DataError(f"{source}: labels: expected classes in [0, {classes}), got {labels.max()}")
    posterior = task(model, x)
    right = None if labels is None else accuracy(posterior, labels)
    if out is not None:
        write_text(out, _lines(posterior))
    if json:
        result: dict = {"items": len(x), "classes": classes, "file": out}
        result |= {} if right is None else {"accuracy": right}
        if out is None:
            result |= {"labels": posterior.argmax(1).tolist(), "probabilities": posterior.exp().tolist()}
        print_json(result)
        return
    if out is None:
        put(_lines(posterior), end="")
    found = "" if right is None else f", {right:.1%} correct"
    say(f"{len(x)} items, {classes} classes{found}{'' if out is None else f': {out}'}")


def _lines(posterior: Tensor) -> str:
    """Log-posteriors (B, classes) as a table: item, label, its probability, and that of every class."""
    head = ["item", "label", "probability", *(f"p_{label}" for label in range(posterior.shape[1]))]
    rows = []
    for item, probabilities in enumerate(posterior.exp().tolist()):
        best = max(probabilities)
        cells = [str(item), str(probabilities.index(best)), *(f"{p:.6g}" for p in (best, *probabilities))]
        rows.append(",".join(cells))
    return "\n".join([",".join(head), *rows, ""])
