"""`chainrule bench`: ratios, measured in one run on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options import Json
from chainrule.cli.output import print_json, print_table, say


def bench(
    case: Annotated[
        str,
        typer.Argument(
            help="What to measure: sampling, images, image-training, made, nade-training, wavenet, maf, predictive, "
            "compression, anomaly or defence."
        ),
    ] = "sampling",
    model: Annotated[
        list[str] | None,
        typer.Option(help="Which models, for sampling and images; a choice of them by default."),
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="Trained models, for predictive, compression, anomaly and defence; repeatable.",
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
            help="Items at once: 64, of images and made 16, of nade-training 100, of maf 256; images in all: "
            "of anomaly 2000, of defence 200.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Counted runs of each.")] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of torch; as many as it takes by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", help="Also write the record to this .json.")] = None,
    json: Json = False,
) -> None:
    """Time ours beside the naive way and beside other libraries, in turn.

    sampling: digits from each network, beside one forward pass per pixel.

    images: images from each net of images, beside one forward pass per site.

    image-training: steps of a gated PixelCNN, beside masked kernels.

    made: 784 bits from a MADE, beside one forward pass per bit.

    nade-training: steps of NADE on 784 bits, beside the loop over variables.

    wavenet: a step of WaveNet, of one item and of a batch, beside one forward pass over its receptive field.

    maf: 64 reals from an affine flow, beside zuko and nflows where they are installed.

    predictive: samples of trained models by guessing ahead, beside their cached steps.

    compression: bytes of trained models' test items, beside gzip, xz, zstd, PNG, WebP and FLAC.

    anomaly: how well scores tell clothes from digits; --run RUN --run BACKGROUND.

    defence: a classifier of clothes, attacked, and its images purified; --run RUN.

    Examples:

    `chainrule bench sampling --batch 64`

    `chainrule bench predictive --run runs/binarized-mnist/pixelcnn`

    `chainrule bench compression --run runs/bytes-gru --file book.txt`
    """
    from chainrule.tasks.bench import run_case, table_of

    record = run_case(
        case, batch=batch, repeats=repeats, threads=threads, models=model, runs=run, drafts=draft, files=file
    )
    if out is not None:
        from chainrule.files import write_text
        from chainrule.results import to_json

        write_text(out, to_json(record))
        say(f"record: {out}")
    if json:
        print_json(record)
        return
    for name, reason in record.get("absent", {}).items():
        say(f"note: without {name}: {reason}")
    title = f"{record['about']}, batch {record['batch']}, {record['threads']} threads, {record['hardware']}"
    print_table(title, *table_of(record))
