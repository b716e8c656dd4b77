"""`chainrule predict`: one column of a table from the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.opening import open_run
from chainrule.cli.options.common import Device, Json, RunName, SafeCsv
from chainrule.cli.options.there import source_there
from chainrule.cli.output import print_json, put, say, say_notes
from chainrule.cli.verb import arrived, named
from chainrule.errors import ChainruleError

Source = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        callback=source_there,
        help="Table whose rows to predict for; the column need not be there.",
    ),
]
Name = Annotated[str, typer.Option(metavar="NAME", help="Column to predict.")]
Proba = Annotated[
    bool, typer.Option("--proba", help="Write the probability of each value, a column NAME=VALUE each.")
]
Quantile = Annotated[float | None, typer.Option(help="Quantile of numbers, in (0, 1). Default: the median.")]
Mean = Annotated[bool, typer.Option("--mean", help="Take the mean of numbers.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="Output .csv or .parquet, one row per row of TABLE. Default: the terminal."
    ),
]


def predict(
    run: RunName,
    source: Source,
    column: Name,
    proba: Proba = False,
    quantile: Quantile = None,
    mean: Mean = False,
    out: Out = None,
    safe_csv: SafeCsv = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Predict a column of a table from the other cells of each row, by the joint distribution.

    A category gets the most probable one, a number its median. Categories and grids of at most 512 values are
    enumerated; other numbers are integrated over a grid of each row's own. Columns that are not modelled, such as ids,
    are written beside the prediction.

    Examples:

    `chainrule predict runs/people people.csv --column job -o jobs.csv`

    `chainrule predict runs/people people.csv --column job --proba -o probabilities.csv`

    `chainrule predict runs/people people.csv --column income --quantile 0.9 -o high.csv`
    """
    from chainrule.data import Notes
    from chainrule.data.categories import text_columns
    from chainrule.data.readers.arrow import as_arrow
    from chainrule.report.export import check_ending
    from chainrule.report.frame import as_csv, export_frame
    from chainrule.tasks import predict as task
    from chainrule.tasks import predict_proba

    if proba and (mean or quantile is not None):
        raise ChainruleError("--proba: expected neither --quantile nor --mean")
    opened = open_run(run, device)
    if out is not None:
        out = named(out, opened, ".csv")
        check_ending(out, (".csv", ".parquet"))
    model, notes = opened.model, Notes()
    table = as_arrow(arrived(source, opened), text_columns(model.domain.columns), opened.reading, notes)
    say_notes(notes)
    if proba:
        frame = predict_proba(model, table, column).rename(columns=lambda value: f"{column}={value}")
    else:
        frame = task(model, table, column, quantile=quantile, mean=mean).to_frame()
    modelled = [own.name for own in model.domain.columns if own.name in table.column_names]
    beside = table.drop_columns(modelled).to_pandas()
    frame = beside.join(frame) if len(beside.columns) else frame
    columns = [] if proba else [own for own in model.domain.columns if own.name == column]
    if out is not None:
        export_frame(frame, out, columns, safe_csv=safe_csv)
    if json:
        rows = None if out is not None else frame.astype(object).to_dict("records")
        print_json({"items": len(frame), "column": column, "file": out, "rows": rows})
        return
    if out is None:
        put(as_csv(frame, columns, safe=safe_csv), end="")
    say(f"{len(frame)} rows, column {column!r}{'' if out is None else f': {out}'}")
