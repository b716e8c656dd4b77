"""`chainrule bench`: ratios, measured in one run on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.common import Json
from chainrule.cli.output import console, print_json, print_table, say


def bench(
    case: Annotated[
        str,
        typer.Argument(
            help="What to measure: sampling, training, nade-training, image-training, reversible, predictive, "
            "rounding, compression, anomaly or defence."
        ),
    ] = "sampling",
    model: Annotated[
        list[str] | None,
        typer.Option(help="Which nets, for sampling and training; repeatable, all by default."),
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="Trained models, for predictive, rounding, compression, anomaly and defence; repeatable.",
        ),
    ] = None,
    draft: Annotated[
        list[Path] | None, typer.Option(metavar="RUN", help="Drafts of them, for predictive; repeatable.")
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="For models of bytes, for compression; repeatable."),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Items at once: of reversible 8, of predictive and image-training 16, of nade-training 100, else "
            "each net's own; items in all: of rounding 64, of anomaly 2000, of defence 200.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Counted runs of each; fewer where they are long.")] = 5,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="As many as torch takes by default; of sampling one, and all cores."),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", help="Also write the record to this .json.")] = None,
    json: Json = False,
) -> None:
    """Time ours beside the naive way and beside other libraries, in turn.

    sampling: steps a second of each net, eager and native, beside one pass per site, Hugging Face, zuko and nflows
    where they are installed, and the roofline of this machine.

    training: items a second of each net in float32, bf16 and compiled, beside the peak of this machine.

    nade-training: steps of NADE on 784 bits, beside the loop over variables.

    image-training: steps of a gated PixelCNN, beside masked kernels.

    reversible: memory and time of training reversible blocks of several depths, beside ordinary ones.

    predictive: samples of trained models by guessing ahead, beside their cached steps.

    rounding: likelihoods of test items with weights rounded to bfloat16, from which native-bf16 draws.

    compression: bytes of trained models' test items, beside gzip, xz, zstd, PNG, WebP and FLAC.

    anomaly: how well scores tell clothes from digits; --run RUN --run BACKGROUND.

    defence: a classifier of clothes, attacked, and its images purified; --run RUN.

    Examples:

    `chainrule bench sampling --model transformer --model maf --threads 1`

    `chainrule bench predictive --run runs/binarized-mnist/pixelcnn`

    `chainrule bench compression --run runs/bytes-gru --file book.txt`
    """
    from chainrule.bench.cases import notes_of, run_case, table_of

    with console.status(case) as status:
        record = run_case(
            case,
            batch=batch,
            repeats=repeats,
            threads=threads,
            models=model,
            runs=run,
            drafts=draft,
            files=file,
            tell=status.update,
        )
    if out is not None:
        from chainrule.files import write_text
        from chainrule.records import to_json

        write_text(out, to_json(record))
        say(f"record: {out}")
    if json:
        print_json(record)
        return
    size = f"batch {record['batch']}, " if record["batch"] else ""
    shared = f"{record['threads']} threads, " if record["threads"] else ""
    print_table(f"{record['about']}, {size}{shared}{record['hardware']}", *table_of(record))
    for note in notes_of(record):
        say(f"note: {note}")
