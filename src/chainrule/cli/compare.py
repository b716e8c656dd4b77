"""`chainrule compare`: several runs on the same items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.inputs import items_of
from chainrule.cli.opening import open_run
from chainrule.cli.options.common import RUNS, DataDir, Device, Json, Unknown
from chainrule.cli.options.there import runs_there, source_there
from chainrule.cli.output import print_json, print_table, say
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.data import Items
    from chainrule.training import Run

Runs = Annotated[
    list[str], typer.Argument(metavar="RUN RUN …", callback=runs_there, help=f"Runs, each {RUNS}.")
]
Other = Annotated[
    str | None,
    typer.Option(
        "--data",
        callback=source_there,
        help="Other data, encoded as each run's. Default: the data of the runs.",
    ),
]
OwnSplit = Annotated[
    str | None,
    typer.Option(
        "--split", help="Split: train, valid or test. Default: test; all of other data without splits."
    ),
]
Samples = Annotated[int, typer.Option(min=1, help="Latent samples per item, for a bound.")]
Picture = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE.png", help="Picture of the curves.")
]


def compare(
    runs: Runs,
    data: Other = None,
    split: OwnSplit = None,
    unknown: Unknown = None,
    samples: Samples = 1,
    out: Picture = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Compare runs on the same items: likelihoods, paired differences to the best, and curves in one picture.

    A difference of two runs has a smaller standard error than each of them: items that are hard for one are hard for
    the other.

    Runs in folders RUN/0, RUN/1, … of `chainrule train --seeds` are given as RUN/*.

    Example: `chainrule compare runs/digits-made runs/digits-transformer -o curves.png`
    """
    from chainrule.bits import is_density
    from chainrule.files import atomic_path
    from chainrule.report.curves import curves_of_runs
    from chainrule.tasks.compare_runs import compare_runs

    if len(runs) < 2:
        raise ChainruleError("expected two runs or more, got one; `chainrule evaluate` is for one")
    opened = [open_run(name, device) for name in runs]
    items = [_items(run, data, split, data_dir, unknown) for run in opened]
    _check_same(opened, data)
    names = [run.name for run in opened]
    found = compare_runs([run.model for run in opened], items, samples=samples)
    if out is not None:
        unit = "nats (density)" if is_density(opened[0].model.domain) else "nats"
        curves = {name: run.metrics for name, run in zip(names, opened, strict=True)}
        with atomic_path(out) as temporary:
            temporary.write_bytes(curves_of_runs(curves, unit))
    if json:
        about = [
            {"run": name, **vars(one.likelihood), "more_nats": one.more, "more_nats_se": one.more_se}
            for name, one in zip(names, found, strict=True)
        ]
        print_json({"split": items[0].split, "runs": about})
        return
    rows = []
    for name, run, one in zip(names, opened, found, strict=True):
        parameters = sum(p.numel() for p in run.model.parameters())
        seconds = max((row["seconds"] for row in run.metrics), default=0.0)
        more = f"+{one.more:.2f} ± {one.more_se:.2f}" if one.more else "best"
        rows.append([name, *one.likelihood.numbers(), more, f"{parameters:,}", f"{seconds:.0f} s"])
    columns = ["", *found[0].likelihood.units, "more nats, paired", "parameters", "training"]
    print_table(f"{items[0].split}, {found[0].likelihood.n} items", columns, rows)
    if out is not None:
        say(f"curves: {out}")


def _items(
    run: Run, source: str | None, split: str | None, data_dir: Path | None, unknown: str | None
) -> Items:
    if source is None:
        return run.load_data(data_dir).items(split or "test")
    return items_of(run, source, split, data_dir, unknown, held_out=True)


def _check_same(runs: list[Run], source: str | None) -> None:
    """Without a source the runs must have been trained on the same data, split by the same seed."""
    if source is not None:
        return
    found = {
        run.name: {key: (run.config.get("data") or {}).get(key) for key in ("source", "checksum", "seed")}
        for run in runs
    }
    (first, about), *others = found.items()
    for name, other in others:
        if other != about:
            raise ChainruleError(
                f"{first} and {name} were trained on different data, {about['source']} and {other['source']}, or "
                "on other splits of them; name the items to compare them on by --data"
            )
