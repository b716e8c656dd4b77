"""`chainrule bench`: ratios, measured in one run on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.bench import BenchOptions
from chainrule.cli.options.common import Json
from chainrule.cli.output import console, print_json, print_table, say

Case = Annotated[
    str,
    typer.Argument(
        help="Benchmark: sampling, generate, training, nade-training, image-training, reversible, predictive, "
        "rounding, compression, anomaly, defence or tables."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Output .json for the record.")]


def bench(
    case: Case = "sampling",
    *,
    options: BenchOptions,
    out: Out = None,
    json: Json = False,
) -> None:
    """Time the library beside the naive way and other libraries, in turn.

    sampling: steps per second of each net, eager and native, beside one pass per site, Hugging Face, zuko and nflows
    where they are installed, and the roofline of this machine. With --device cuda: eager, captured, captured-fused and
    compiled steps, Hugging Face, and the bound of its memory.

    generate: tokens per second of one GPT-2, read by us and by transformers.

    training: items per second of each net in float32, bf16 and compiled, beside the peak of this machine.

    nade-training: steps of NADE beside a loop over variables; image-training: of a PixelCNN beside masked kernels.

    reversible: memory and time of training reversible blocks of several depths, beside ordinary ones.

    predictive: predictive sampling from trained models, beside cached steps.

    rounding: likelihoods of test items with rounded weights, as native-bf16 and native-int8 sample.

    compression: bytes of whole test splits by trained models, beside xz, zstd, brotli and zpaq, and codecs of pictures
    (PNG, WebP, JPEG XL, JBIG), sounds (FLAC, WavPack) and columns (Parquet), as far as they are installed.

    anomaly: AUROC of anomaly scores, clothes against digits; --run RUN --run BACKGROUND.

    defence: accuracy of a classifier of clothes on attacked and on purified images; --run RUN.

    tables: synthesis, imputation and anomaly scores of real tables, beside other libraries; goes on where it stopped.

    Examples:

    `chainrule bench sampling --model transformer --model maf --threads 1`

    `chainrule bench sampling --device cuda -o sampling.json`

    `chainrule bench predictive --run runs/binarized-mnist/pixelcnn`

    `chainrule bench compression --run runs/bytes-gru --file book.txt`

    `chainrule bench tables --peers peers --table penguins --model chainrule --model tvae`
    """
    from chainrule.bench.cases import run_case

    with console.status(case) as status:
        record = run_case(case, **options.given(), tell=status.update)
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
