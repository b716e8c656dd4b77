"""`chainrule bench`: ratios, measured in one run on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options import Json
from chainrule.cli.output import print_json, print_table, say
from chainrule.errors import ChainruleError, nearest


def bench(
    case: Annotated[str, typer.Argument(help="What to measure: sampling.")] = "sampling",
    model: Annotated[
        list[str] | None, typer.Option(help="Which models; those with a network by default.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples drawn at once.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Counted runs of each.")] = 5,
    out: Annotated[Path | None, typer.Option("-o", help="Also write the record to this .json.")] = None,
    json: Json = False,
) -> None:
    """Time sampling digits (8×8, 17 levels) beside the naive way and beside one parallel pass.

    Example: `chainrule bench sampling --batch 64`
    """
    from chainrule.tasks.bench import CASES, record_sampling

    if case not in CASES:
        raise ChainruleError(f"bench {case!r}: no such case; {nearest(case, CASES)}")
    record = record_sampling(model, batch=batch, repeats=repeats)
    if out is not None:
        from chainrule.files import write_text
        from chainrule.results import to_json

        write_text(out, to_json(record))
        say(f"record: {out}")
    if json:
        print_json(record)
        return
    rows = [
        [
            name,
            f"{1e3 * r['rollout']:.1f} ms",
            f"{r['speedup']:.0f}×",
            f"{r['passes']:.1f}",
            f"{r['flops']:.2f}",
        ]
        for name, r in record["models"].items()
    ]
    columns = ["model", f"{batch} samples", "× naive", "÷ one forward", "FLOPs ÷ log_prob"]
    print_table(f"Sampling {record['domain']}, batch {batch}, {record['hardware']}", columns, rows)
