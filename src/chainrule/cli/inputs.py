"""The items of a source that a command is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.cli.output import say, say_notes
from chainrule.cli.verb import arrived
from chainrule.errors import ConditionError

if TYPE_CHECKING:
    from chainrule.data import Items
    from chainrule.training import Run


def items_of(
    run: Run,
    source: str,
    split: str | None = None,
    data_dir: Path | None = None,
    unknown: str | None = None,
    labels: bool | None = True,
    held_out: bool = False,
    cut: bool = True,
) -> Items:
    """The items of a source by the run's codes, all of them unless a split is asked for; what was found is said.

    Args:
        run, source, split, data_dir, unknown: as the options.
        held_out: whether a source with splits of its own is asked for its test split, where none is named: for what is
            looked at, or compared with published figures.
        cut: whether to cut a source without splits of its own, or else to refuse.
        labels: whether a model of classes needs those of the items; None where they are welcome, False if not read.

    Raises:
        ChainruleError: if it cannot be read, or the model needs labels or frames that it has not.
    """
    from chainrule.data import load_items
    from chainrule.data.fingerprint import place_of

    trained_on = run.config.get("data") or {}
    if split is None and not held_out and place_of(source) == trained_on.get("source"):
        say(f"note: {run.name} was trained on part of {source}; --split test takes what was put aside")
    source, how = arrived(source, run), replace(run.reading, unknown=unknown)
    prefer = "test" if held_out else None
    items = load_items(source, how, split=split, prefer=prefer, cut=cut, labels=labels, data_dir=data_dir)
    say_notes(items.notes)
    if labels and run.model.conditional and items.cond is None:
        what = "frames" if run.model.condition.maps else "labels"
        raise ConditionError(
            f"{source}: the model is given {run.model.condition.expected} with each item; expected {what}, found none"
        )
    return items
