"""`chainrule score`: anomaly scores of items, and what makes them anomalous."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.inputs import items_of
from chainrule.cli.opening import open_run
from chainrule.cli.options.common import DataDir, Device, Json, RunName, SafeCsv, Split, Unknown
from chainrule.cli.options.engine import EngineOptions
from chainrule.cli.options.scoring import (
    Background,
    BlameCells,
    Complexity,
    FalseAlarms,
    First,
    Known,
    Out,
    Picture,
    Reference,
    ReferenceData,
    ReferenceItems,
    Source,
)
from chainrule.cli.over_parts import over_parts
from chainrule.cli.verb import named
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from torch import Tensor

    from chainrule.models import Model
    from chainrule.training import Run


def score(
    run: RunName,
    source: Source,
    out: Out = None,
    split: Split = None,
    items: First = None,
    unknown: Unknown = None,
    reference: Reference = "valid",
    reference_items: ReferenceItems = 1000,
    data: ReferenceData = None,
    background: Background = None,
    complexity: Complexity = False,
    false_alarms: FalseAlarms = 0.01,
    blame: BlameCells = False,
    known: Known = None,
    picture: Picture = None,
    safe_csv: SafeCsv = False,
    *,
    over: EngineOptions,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Score items for anomalies: nats, bits/dim, p-value among held-out items, atypicality of the likelihood.

    Simple items of any kind are likely under any model; --background and --complexity correct for it.

    Examples:

    `chainrule score runs/digits-causal-conv1d scans/ -o scores.csv --picture least-likely.png`

    `chainrule score runs/digits-causal-conv1d digits --known top`

    `chainrule score runs/people many/ --engine local --workers 4 -o scored/`

    `chainrule score runs/people new.csv --false-alarms 0.01 --blame -o scores.csv`
    """
    if over.engine is not None:
        over_parts(run, "score", source, out, over, json=json, device=device)
        return
    from chainrule.cli.alarms import Alarms, frame_of, print_result
    from chainrule.tasks.score import score as score_items

    opened = open_run(run, device)
    model = opened.model
    out = _checked(out, picture, opened)
    given = items_of(opened, source, split, data_dir, unknown).first(items)
    usual = _reference(opened, data, reference, reference_items, data_dir, packed=not blame)
    other = None if background is None else open_run(background, device).model
    cond = given.cond if model.conditional else None
    about: Any = {"cond": cond, "background": other, "complexity": complexity}
    alarms = Alarms(score_items(model, given.x, **usual, **about), false_alarms, reference)
    frame = frame_of(alarms, opened, given, cond, known, usual["reference"] if blame else None)
    if picture is not None:
        _draw(model, given.x, cond, alarms.scores.nats, picture)
    print_result(alarms, frame, model, out, safe_csv=safe_csv, json=json)


def _checked(out: Path | None, picture: Path | None, run: Run) -> Path | None:
    """The output with an ending, once both are seen to have one that suits."""
    from chainrule.report.export import check_ending

    out = None if out is None else named(out, run, ".csv")
    if out is not None:
        check_ending(out, (".csv", ".parquet"))
    if picture is not None:
        check_ending(picture, (".png",))
    return out


def _reference(
    run: Run, source: str | None, split: str, n: int, data_dir: Path | None, packed: bool
) -> dict[str, Any]:
    """The first n of the usual items, with their conditions; of a packed run, which has them, their nats will do."""
    from chainrule.tasks.sharing import reference_for

    if source is None:
        return reference_for(run, n, split=split, data_dir=data_dir, packed=packed)
    items = items_of(run, source, None, data_dir).first(n)
    return {"reference": items.x, "reference_cond": items.cond if run.model.conditional else None}


def _draw(model: Model, x: Tensor, cond: Tensor | None, nats: Tensor, path: Path) -> None:
    """The least likely images, and what their pixels cost."""
    from chainrule.engine import exact_arithmetic
    from chainrule.report.bits import COLUMNS, draw_bits

    if model.domain.layout != "image" or not model.domain.discrete:
        raise ChainruleError(f"--picture: expected images of levels, got {model.domain}")
    which = nats.topk(min(COLUMNS, len(x))).indices
    own = None if cond is None else cond[which].to(model.device)
    with exact_arithmetic(model):
        terms = model.log_prob(x[which].to(model.device), own, reduce=False)
    draw_bits(x[which], terms, model.domain, path)
