"""`chainrule bench`: ratios, measured in one run on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.options.common import Json
from chainrule.cli.output import console, print_json, print_table, say

Case = Annotated[
    str,
    typer.Argument(
        help="Benchmark: sampling, training, nade-training, image-training, reversible, predictive, rounding, "
        "compression, anomaly, defence or tables."
    ),
]
Nets = Annotated[
    list[str] | None,
    typer.Option(help="Net, for sampling and training, or peer, for tables; repeatable. Default: all."),
]
Runs = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="RUN",
        help="Trained model, for predictive, rounding, compression, anomaly and defence; repeatable.",
    ),
]
Drafts = Annotated[
    list[Path] | None, typer.Option(metavar="RUN", help="Draft of each --run, for predictive; repeatable.")
]
Files = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="File for models of bytes, for compression; repeatable."),
]
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="TABLE", help="Table, for tables; repeatable. Default: all."),
]
Peers = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Environments of the peers, for tables. Default: the one that runs."),
]
Records = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Records of each table, task and peer. Default: bench-tables."),
]
Batch = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Batch size. Default: reversible 8, predictive and image-training 16, nade-training 100, else that of "
        "each net. Number of items for rounding (64), anomaly (2000) and defence (200); most rows for tables (2000).",
    ),
]
Repeats = Annotated[int, typer.Option(min=1, help="Number of timed runs; fewer if they are long.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Number of threads. Default: torch's; for sampling one, then all cores."),
]
Out = Annotated[Path | None, typer.Option("-o", help="Output .json for the record.")]


def bench(
    case: Case = "sampling",
    model: Nets = None,
    run: Runs = None,
    draft: Drafts = None,
    file: Files = None,
    table: Tables = None,
    peers: Peers = None,
    records: Records = None,
    batch: Batch = None,
    repeats: Repeats = 5,
    threads: Threads = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Time the library beside the naive way and other libraries, in turn.

    sampling: steps per second of each net, eager and native, beside one pass per site, Hugging Face, zuko and nflows
    where they are installed, and the roofline of this machine.

    training: items per second of each net in float32, bf16 and compiled, beside the peak of this machine.

    nade-training: steps of NADE on 784 bits, beside the loop over variables.

    image-training: steps of a gated PixelCNN, beside masked kernels.

    reversible: memory and time of training reversible blocks of several depths, beside ordinary ones.

    predictive: predictive sampling from trained models, beside cached steps.

    rounding: likelihoods of test items with weights rounded to bfloat16, as native-bf16 samples.

    compression: bytes of trained models' test items, beside gzip, xz, zstd, PNG, WebP and FLAC.

    anomaly: AUROC of anomaly scores, clothes against digits; --run RUN --run BACKGROUND.

    defence: accuracy of a classifier of clothes on attacked and on purified images; --run RUN.

    tables: synthesis, imputation and anomaly scores of real tables, beside other libraries; goes on where it stopped.

    Examples:

    `chainrule bench sampling --model transformer --model maf --threads 1`

    `chainrule bench predictive --run runs/binarized-mnist/pixelcnn`

    `chainrule bench compression --run runs/bytes-gru --file book.txt`
    """
    from chainrule.bench.cases import run_case

    options: Any = {"batch": batch, "repeats": repeats, "threads": threads, "models": model}
    with console.status(case) as status:
        options |= {
            "runs": run,
            "drafts": draft,
            "files": file,
            "tables": table,
            "peers": peers,
            "records": records,
        }
        record = run_case(case, **options, tell=status.update)
    if out is not None:
        from chainrule.files import write_text
        from chainrule.records import to_json

        write_text(out, to_json(record))
        say(f"record: {out}")
    if json:
        print_json(record)
    else:
        _print(record)


def _print(record: dict) -> None:
    from chainrule.bench.cases import notes_of, table_of

    size = f"batch {record['batch']}, " if record["batch"] else ""
    shared = f"{record['threads']} threads, " if record["threads"] else ""
    print_table(f"{record['about']}, {size}{shared}{record['hardware']}", *table_of(record))
    for note in notes_of(record):
        say(f"note: {note}")
