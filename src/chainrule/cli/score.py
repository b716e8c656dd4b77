"""`chainrule score`: anomaly scores of items, and what makes them anomalous."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from chainrule.cli.alarms import Alarms, print_least_likely
from chainrule.cli.opening import data_of, items_of, open_run
from chainrule.cli.options.common import DataDir, Device, Json, RunFolder, SafeCsv, Split, Unknown
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
from chainrule.cli.output import print_json, say
from chainrule.cli.verb import named
from chainrule.data import Items
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.tasks import BlamedCell, Scores, blamed_cells, hidden_nats
from chainrule.training import Run

if TYPE_CHECKING:
    import pandas as pd


def score(
    run: RunFolder,
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
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Score items for anomalies: nats, bits/dim, p-value among held-out items, atypicality of the likelihood.

    Likelihood alone fails on items of another kind: simple items are likely under any model. --background and
    --complexity correct for it.

    Examples:

    `chainrule score runs/digits-causal-conv1d scans/ -o scores.csv --picture strangest.png`

    `chainrule score runs/digits-causal-conv1d digits --known top`

    `chainrule score runs/people new.csv --false-alarms 0.01 --blame -o scores.csv`
    """
    from chainrule.report.export import check_ending, export_frame
    from chainrule.tasks.score import score as task

    opened = open_run(run, device)
    model = opened.model
    if out is not None:
        out = named(out, opened, ".csv")
        check_ending(out, (".csv", ".parquet"))
    if picture is not None:
        check_ending(picture, (".png",))
    given = items_of(opened, source, split, data_dir, unknown).first(items)
    cond = given.cond if model.conditional else None
    held, held_cond = _reference(opened, data, reference, reference_items, data_dir)
    other = None if background is None else open_run(background, device).model
    about = {"cond": cond, "reference_cond": held_cond, "background": other, "complexity": complexity}
    scores = task(model, given.x, held, **about)
    alarms = Alarms(scores, false_alarms, reference)
    alarms.warn()
    frame = _frame(model, given, cond, scores, alarms.which, known, held if blame else None)
    if out is not None:
        export_frame(frame, out, safe_csv=safe_csv)
    if picture is not None:
        _draw(model, given.x, cond, scores.nats, picture)
    if json:
        summary = {**alarms.summary(), "file": out}
        print_json(summary if out is not None else {**summary, "scores": frame.to_dict("records")})
        return
    print_least_likely(frame)
    alarms.tell(out)
    if model.likelihood == "bound":
        say(f"nats are upper bounds: {model.name} ranks items by them")


def _reference(
    run: Run, source: str | None, split: str, n: int, data_dir: Path | None
) -> tuple[Tensor, Tensor | None]:
    """The first n of the usual items, and the condition of each, for a model that is given one."""
    if source is None:
        data = data_of(run, data_dir)
        x, cond = data.split(split)[0], data.cond(split)
    else:
        items = items_of(run, source, None, data_dir)
        x, cond = items.x, items.cond
    return x[:n], cond[:n] if cond is not None and run.model.conditional else None


def _frame(
    model: Model,
    items: Items,
    cond: Tensor | None,
    scores: Scores,
    alarms: Tensor,
    known: str | None,
    reference: Tensor | None,
) -> pd.DataFrame:
    """A row an item: its name, scores and alarm; what its hidden part costs; the cell to blame."""
    import pandas as pd

    frame = pd.DataFrame({name: value.numpy() for name, value in scores.to_dict().items()})
    frame.insert(0, "item", list(items.names) or range(len(items)))
    frame["alarm"] = alarms.numpy()
    if known is not None:
        hidden, place = hidden_nats(model, items.x, known, cond=cond), frame.columns.get_loc("nats") + 1
        if not hidden.exact.all():
            frame.insert(place, "hidden_se", hidden.se.numpy())
        frame.insert(place, "hidden_nats", hidden.nats.numpy())
    if reference is not None:
        cells = blamed_cells(model, items.x[alarms], reference)
        numbers = alarms.nonzero().flatten().tolist()
        frame = frame.join(pd.DataFrame(cells, index=numbers, columns=BlamedCell._fields))
    return frame


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
