"""`chainrule score`: how strange each item is, and what of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from torch import Tensor

from chainrule.cli.columns import SafeCsv
from chainrule.cli.options import (
    DataDir,
    Device,
    Json,
    RunFolder,
    Split,
    Unknown,
    data_of,
    items_of,
    open_run,
)
from chainrule.cli.output import print_json, print_table, say
from chainrule.cli.verb import named
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.training import Run

if TYPE_CHECKING:
    import pandas as pd

BATCH = 64  # items at once, of which estimates draw many candidates each
SHOWN = 10  # of the least likely items, on the terminal


def score(
    run: RunFolder,
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="A named set, an image, an array, a folder or a table.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", help="A .csv or .parquet, a line an item, in their order.")
    ] = None,
    split: Split = None,
    items: Annotated[
        int | None, typer.Option(min=1, help="Number of items of INPUT, from the first; all by default.")
    ] = None,
    unknown: Unknown = None,
    reference: Annotated[
        str,
        typer.Option(help="The split of the run's data that p-values are ranks in; PixelDefend's is train."),
    ] = "valid",
    reference_items: Annotated[int, typer.Option(min=1, help="Of it, from the first on.")] = 1000,
    data: Annotated[
        str | None, typer.Option(help="The reference, instead of the data the run was trained on.")
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="A background model, as --set mutate=0.1 trains it: adds the ratio."
        ),
    ] = None,
    complexity: Annotated[
        bool, typer.Option("--complexity", help="Compress the items: adds the bits in excess of that.")
    ] = False,
    false_alarms: Annotated[
        float, typer.Option(help="The share of usual items that may alarm, in (0, 1).")
    ] = 0.01,
    blame: Annotated[
        bool, typer.Option("--blame", help="Of each item that alarms: which column, and what was expected.")
    ] = False,
    known: Annotated[
        str | None,
        typer.Option(
            help="top, left, bottom, right, a fraction such as 0.3, or the file of a mask: adds the nats of the other "
            "part given this one."
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="A .png of the strangest images, and the bits of their pixels.")
    ] = None,
    safe_csv: SafeCsv = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Score items: nats, bits/dim, the p-value among held-out items, and how untypical the likelihood is.

    Likelihood alone fails on items of another kind: simple ones are likely under any model. --background and
    --complexity correct for it.

    Example: `chainrule score runs/digits-causal-conv1d scans/ -o scores.csv --picture strangest.png`

    Example: `chainrule score runs/digits-causal-conv1d digits --known top`

    Example: `chainrule score runs/people new.csv --false-alarms 0.01 --blame -o scores.csv`
    """
    import pandas as pd

    from chainrule.report.bits import COLUMNS
    from chainrule.report.export import check_ending, export_frame
    from chainrule.tasks.score import alarm_threshold, least_reference
    from chainrule.tasks.score import score as task

    opened = open_run(run, device)
    model = opened.model
    if out is not None:
        out = named(out, opened, ".csv")
        check_ending(out, (".csv", ".parquet"))
    if picture is not None:
        check_ending(picture, (".png",))
    given = items_of(opened, source, split, data_dir, unknown).first(items)
    x, cond = given.x, given.cond if model.conditional else None
    held, told = _reference(opened, data, reference, reference_items, data_dir)
    scores = task(
        model,
        x,
        held,
        cond=cond,
        reference_cond=told,
        background=None if background is None else open_run(background, device).model,
        complexity=complexity,
    )
    threshold, alarms = alarm_threshold(scores.reference_nats, false_alarms), scores.alarms(false_alarms)
    frame = pd.DataFrame({name: value.numpy() for name, value in scores.to_dict().items()})
    frame.insert(0, "item", list(given.names) or range(len(x)))
    frame["alarm"] = alarms.numpy()
    if threshold == math.inf:
        say(
            f"nothing can alarm: at a rate of {false_alarms:.2%} false alarms it takes a reference of at least "
            f"{least_reference(false_alarms)} items, there are {len(held)}; raise --false-alarms, or take a larger one"
        )
    if known is not None:
        for name, value in hidden_nats(model, x, cond, known).items():
            frame.insert(frame.columns.get_loc("nats") + 1, name, value.numpy())
    if blame:
        frame = frame.join(blamed(model, x, alarms, held))
    if out is not None:
        export_frame(frame, out, safe_csv=safe_csv)
    if picture is not None:
        _draw(model, x, cond, scores.nats.topk(min(COLUMNS, len(x))).indices, picture)
    summary = {
        "items": len(x),
        "reference": {"items": len(held), "split": reference, "nats": scores.reference_nats.mean().item()},
        "false_alarms": false_alarms,
        "threshold_nats": threshold,
        "alarms": int(alarms.sum()),
        "file": out,
    }
    if json:
        print_json(summary if out is not None else {**summary, "scores": frame.to_dict("records")})
        return
    strangest = frame.drop(columns=["bits_per_dim", "atypicality"]).sort_values("nats", ascending=False)
    rows = [[_cell(value) for value in row] for row in strangest.head(SHOWN).itertuples(index=False)]
    print_table(f"The {len(rows)} least likely of {len(x)} items", list(strangest.columns), rows)
    if threshold < math.inf:
        say(
            f"{summary['alarms']} of {len(x)} items above {threshold:.2f} nats, "
            f"where at most {false_alarms:.2%} of items like the {len(held)} of {reference} would be"
            f"{'' if out is None else f': {out}'}"
        )
    elif out is not None:
        say(f"{len(x)} items: {out}")
    if model.likelihood == "bound":
        say(f"nats are bounds: {model.name} says what an item costs at most, and ranks items by that")


def hidden_nats(model: Model, x: Tensor, cond: Tensor | None, known: str) -> dict[str, Tensor]:
    """-log p(hidden | known) of each item; with its standard error where it is an estimate of some."""
    import torch

    from chainrule.tasks import conditional_log_prob, known_mask

    mask, generator = known_mask(model.domain, known), torch.Generator().manual_seed(0)
    conds = [None] * len(x) if cond is None else cond.to(model.device).split(BATCH)
    parts = [
        conditional_log_prob(model, part, mask, cond=own, generator=generator)
        for part, own in zip(x.split(BATCH), conds, strict=False)
    ]
    log_prob, se, exact = (torch.cat(each).cpu() for each in zip(*parts, strict=True))
    return {**({} if exact.all() else {"hidden_se": se}), "hidden_nats": -log_prob}


def blamed(model: Model, x: Tensor, alarms: Tensor, reference: Tensor) -> pd.DataFrame:
    """By the numbers of items that alarm: the column to blame, its value, what was expected, and the gain in nats."""
    import pandas as pd

    from chainrule.data import decode
    from chainrule.tasks.blame import blame

    found = blame(model, x[alarms], reference)
    worst = found.gain.nan_to_num(nan=-math.inf).argmax(1).tolist()
    columns = model.domain.columns
    if columns:
        names = [column.name for column in columns]
        value, expected = decode(x[alarms], columns), decode(found.expected, columns)
    else:
        names = [str(d) for d in range(model.domain.size)]
        value, expected = pd.DataFrame(x[alarms].numpy()), pd.DataFrame(found.expected.numpy())
    cells = [
        (names[d], str(value.iat[row, d]), str(expected.iat[row, d]), found.gain[row, d].item())
        for row, d in enumerate(worst)
    ]
    numbers = alarms.nonzero().flatten().tolist()
    return pd.DataFrame(cells, index=numbers, columns=["column", "value", "expected", "gain_nats"])


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


def _draw(model: Model, x: Tensor, cond: Tensor | None, which: Tensor, path: Path) -> None:
    from chainrule.engine import exact_arithmetic
    from chainrule.report.bits import draw_bits

    if model.domain.layout != "image" or not model.domain.discrete:
        raise ChainruleError(f"--picture: expected images of levels, got {model.domain}")
    own = None if cond is None else cond[which].to(model.device)
    with exact_arithmetic(model):
        terms = model.log_prob(x[which].to(model.device), own, reduce=False)
    draw_bits(x[which], terms, model.domain, path)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return str(value)
