"""`chainrule compare-tables`: drawn rows beside real ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.options.common import Json, Seed
from chainrule.cli.options.there import source_there
from chainrule.cli.output import print_json, print_table, say, tell
from chainrule.cli.verb import arrived

if TYPE_CHECKING:
    from chainrule.tasks.comparison.compare import TableComparison

Real = Annotated[
    str,
    typer.Argument(
        metavar="REAL",
        callback=source_there,
        help="Table of real rows, unseen by the generator if there are any.",
    ),
]
Synthetic = Annotated[
    str, typer.Argument(metavar="SYNTHETIC", callback=source_there, help="Table of drawn rows.")
]
Train = Annotated[
    str | None,
    typer.Option(
        "--train",
        metavar="FILE",
        callback=source_there,
        help="Table of the real rows that the generator was trained on.",
    ),
]
Target = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Column to predict; repeatable. Default: the first 8."),
]
Page = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE.html", help="Output page.")]


def compare_tables(
    real: Real,
    synthetic: Synthetic,
    trained_on: Train = None,
    target: Target = None,
    out: Page = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Compare drawn rows of a table with real ones: columns, pairs, a classifier's test, usefulness, copies.

    The page has the pictures, and what each number means.

    Examples:

    `chainrule compare-tables people.csv drawn.csv --out compared.html`

    `chainrule compare-tables held-out.csv drawn.csv --train people.csv --target income --json`
    """
    from chainrule.report.comparison import write_comparison
    from chainrule.report.export import check_ending
    from chainrule.tasks.comparison.compare import TARGETS
    from chainrule.tasks.comparison.compare import compare_tables as compare

    if out is not None:
        check_ending(out, (".html",))
    train = None if trained_on is None else arrived(trained_on)
    found = compare(arrived(real), arrived(synthetic), train, targets=target or TARGETS, seed=seed)
    if out is not None:
        title = f"{Path(synthetic).name} beside {Path(real).name}"
        say(f"page: {write_comparison(found, out, title=title)}")
    if json:
        print_json(found.to_dict())
        return
    _print(found)


def _print(found: TableComparison) -> None:
    for name, why in found.left_out.items():
        say(f"not compared: {name}, {why}")
    print_table(
        "Columns; distance: Kolmogorov-Smirnov of numbers, total variation of categories",
        ["column", "distance", "real-real", "most frequent", "real", "drawn", "outside"],
        [
            [
                *(each.name, _number(each.distance), _number(each.among_real), each.frequent),
                *map(_share, (each.frequent_real, each.frequent_drawn, each.outside)),
            ]
            for each in found.marginals
        ],
    )
    figures, private = found.figures(), found.privacy
    if found.pairs:
        among = _number(found.pairs.among_real)
        tell(f"pairs: associations differ by {_number(found.pairs.difference)} on average, real-real {among}")
    if found.two_sample:
        area, error = map(_number, found.two_sample)
        tell(f"two-sample test: AUROC {area} ± {error} of a classifier; 0.5 is best")
    if found.usefulness:
        ratio = _number(figures["usefulness"])
        tell(
            f"trained on drawn rows: accuracy on real ones {ratio} times that of training on real; 1 is best"
        )
    tell(
        f"copies of known rows: {private.copies:.2%} of drawn rows, {private.copies_held:.2%} of real ones; "
        f"closer to one than 95% of real rows are: {private.close:.1%}, 5% expected"
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1%}"
