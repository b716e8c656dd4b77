"""The benches: each measures ours and its peers in one run, and gives a record for `benchmarks/`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from chainrule.errors import ChainruleError, nearest
from chainrule.results import circumstances
from chainrule.tasks import (
    bench_anomaly,
    bench_compression,
    bench_defence,
    bench_image_training,
    bench_images,
    bench_made,
    bench_maf,
    bench_nade_training,
    bench_networks,
    bench_predictive,
    bench_transformer,
    bench_wavenet,
)


@dataclass(frozen=True)
class Case:
    """One bench.

    Attributes:
        summary: what is measured beside what.
        batch: items at once, unless told otherwise.
        measure: (batch, repeats) → what the record says.
        table: the record → columns and rows.
    """

    summary: str
    batch: int
    measure: Callable[..., dict]
    table: Callable[[dict], tuple[list[str], list[list[str]]]]


CASES = {
    "sampling": Case(
        "digits from each network, beside one forward pass per pixel",
        64,
        bench_networks.measure,
        bench_networks.table,
    ),
    "made": Case(
        "784 bits from a MADE, beside one forward pass per bit", 16, bench_made.measure, bench_made.table
    ),
    "nade-training": Case(
        "steps of NADE on 784 bits, beside the loop over variables",
        100,
        bench_nade_training.measure,
        bench_nade_training.table,
    ),
    "images": Case(
        "images from each net of images, beside one forward pass per site",
        16,
        bench_images.measure,
        bench_images.table,
    ),
    "image-training": Case(
        "steps of a gated PixelCNN, beside masked kernels",
        16,
        bench_image_training.measure,
        bench_image_training.table,
    ),
    "transformer": Case(
        "tokens of a Transformer with its cache, beside Hugging Face's generate",
        16,
        bench_transformer.measure,
        bench_transformer.table,
    ),
    "wavenet": Case(
        "a step of WaveNet, beside one forward pass over its receptive field",
        64,
        bench_wavenet.measure,
        bench_wavenet.table,
    ),
    "predictive": Case(
        "trained models by guessing ahead, beside their cached steps",
        16,
        bench_predictive.measure,
        bench_predictive.table,
    ),
    "anomaly": Case(
        "scores of Fashion-MNIST (own split) beside MNIST", 2000, bench_anomaly.measure, bench_anomaly.table
    ),
    "defence": Case(
        "PixelDefend on Fashion-MNIST, own split", 200, bench_defence.measure, bench_defence.table
    ),
    "compression": Case(
        "bytes of trained models' test items, beside other codecs",
        4096,
        bench_compression.measure,
        bench_compression.table,
    ),
    "maf": Case(
        "64 reals from an affine flow, beside zuko and nflows", 256, bench_maf.measure, bench_maf.table
    ),
}

WITH_RUNS = ("predictive", "compression", "anomaly", "defence")


def run_case(
    name: str,
    *,
    batch: int | None = None,
    repeats: int = 5,
    threads: int | None = None,
    models: list[str] | None = None,
    runs: list[Path] | None = None,
    drafts: list[Path] | None = None,
    files: list[Path] | None = None,
) -> dict:
    """Measure one case: medians over interleaved repeats.

    Args:
        name: of `CASES`.
        batch: items at once; the case's own by default.
        repeats: counted rounds.
        threads: of torch, for all ways alike; as they are by default.
        models: which networks, for "sampling" and "images".
        runs: run folders of models, for the cases of `WITH_RUNS`.
        drafts: of drafts for them, for "predictive".
        files: for models of bytes, for "compression".

    Raises:
        ChainruleError: on an unknown case, or a choice of models or runs for a case that has its own.
    """
    case = find_case(name)
    if models and name not in ("sampling", "images"):
        raise ChainruleError(f"bench {name}: has its own models; only sampling and images take others")
    if (runs or drafts) and name not in WITH_RUNS:
        raise ChainruleError(f"bench {name}: has its own models; only {', '.join(WITH_RUNS)} take runs")
    if (files and name != "compression") or (drafts and name != "predictive"):
        raise ChainruleError("bench: only compression takes files, only predictive drafts")
    batch = case.batch if batch is None else batch
    command = f"chainrule bench {name} --batch {batch} --repeats {repeats}"
    command += f" --threads {threads}" if threads else ""
    command += "".join(f" --model {model}" for model in models or ())
    command += "".join(f" --run {run}" for run in runs or ()) + "".join(
        f" --draft {draft}" for draft in drafts or ()
    )
    command += "".join(f" --file {file}" for file in files or ())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        chosen = [models] if models else [runs, files or drafts or ()] if runs else []
        measured = case.measure(batch, repeats, *chosen)
    finally:
        torch.set_num_threads(before)
    return {
        "case": name,
        "batch": batch,
        "repeats": repeats,
        "threads": threads or before,
        "command": command,
        **measured,
        "load_average": load,
        **circumstances(),
    }


def find_case(name: str) -> Case:
    """The case of a name.

    Raises:
        ChainruleError: if there is none.
    """
    if name not in CASES:
        raise ChainruleError(f"bench {name!r}: no such case; {nearest(name, CASES)}")
    return CASES[name]


def table_of(record: dict) -> tuple[list[str], list[list[str]]]:
    """The columns and rows that show a record."""
    return find_case(record["case"]).table(record)
