"""The benches: each measures ours and its peers in one run, and gives a record for `benchmarks/`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chainrule.bench import (
    anomaly,
    compression,
    defence,
    generate,
    image_training,
    nade_training,
    predictive,
    reversible,
    rounding,
    sampling,
    training,
)
from chainrule.bench.tables import case as tables
from chainrule.errors import ChainruleError, nearest
from chainrule.records import circumstances


@dataclass(frozen=True)
class Case:
    """One bench.

    Attributes:
        summary: what is measured beside what.
        batch: default number of items at once; None where each net has its own.
        measure: (batch, repeats, **choices) → what the record says.
        table: the record → columns and rows.
        choices: what else its `measure` lets one choose.
        notes: the record → sentences to go with the table.
    """

    summary: str
    batch: int | None
    measure: Callable[..., dict]
    table: Callable[[dict], tuple[list[str], list[list[str]]]]
    choices: tuple[str, ...] = ()
    notes: Callable[[dict], list[str]] = lambda record: []


CASES = {
    "sampling": Case(
        "steps a second of each net, beside one pass per site, other libraries and the roofline",
        None,
        sampling.measure,
        sampling.table,
        ("models", "threads", "device", "tell"),
        sampling.notes,
    ),
    "generate": Case(
        "tokens a second of one GPT-2, read by us and by transformers",
        None,
        generate.measure,
        generate.table,
        ("tell",),
    ),
    "training": Case(
        "items a second of each net in float32, bf16 and compiled, beside the machine's peak",
        None,
        training.measure,
        training.table,
        ("models", "tell"),
        training.notes,
    ),
    "nade-training": Case(
        "steps of NADE on 784 bits, beside the loop over variables",
        100,
        nade_training.measure,
        nade_training.table,
    ),
    "image-training": Case(
        "steps of a gated PixelCNN, beside masked kernels",
        16,
        image_training.measure,
        image_training.table,
    ),
    "reversible": Case(
        "memory and time of training reversible blocks, beside ordinary ones",
        8,
        reversible.measure,
        reversible.table,
        ("tell",),
        reversible.notes,
    ),
    "predictive": Case(
        "predictive sampling by trained models, beside their cached steps",
        16,
        predictive.measure,
        predictive.table,
        ("runs", "drafts"),
    ),
    "rounding": Case(
        "likelihoods with weights rounded to bfloat16 and int8, beside the trained ones",
        64,
        rounding.measure,
        rounding.table,
        ("runs",),
    ),
    "compression": Case(
        "bytes of trained models' test items, beside other codecs",
        500,
        compression.measure,
        compression.table,
        ("runs", "files"),
        compression.notes,
    ),
    "anomaly": Case(
        "scores of Fashion-MNIST (own split) beside MNIST",
        2000,
        anomaly.measure,
        anomaly.table,
        ("runs",),
    ),
    "defence": Case(
        "PixelDefend on Fashion-MNIST, own split",
        200,
        defence.measure,
        defence.table,
        ("runs",),
    ),
    "tables": Case(
        "synthesis, imputation and anomaly scores of real tables, beside other libraries",
        2000,
        tables.measure,
        tables.table,
        ("models", "tables", "tasks", "peers", "records", "tell"),
        tables.notes,
    ),
}


def run_case(
    name: str,
    *,
    batch: int | None = None,
    repeats: int = 5,
    threads: int | None = None,
    models: list[str] | None = None,
    runs: list[str] | None = None,
    drafts: list[str] | None = None,
    files: list[Path] | None = None,
    tables: list[str] | None = None,
    tasks: list[str] | None = None,
    peers: Path | None = None,
    records: Path | None = None,
    device: str | None = None,
    tell: Callable[[str], object] = str,
) -> dict:
    """Measure one case: medians over interleaved repeats.

    Args:
        name: of `CASES`.
        batch: items at once; the case's own by default.
        repeats: counted rounds.
        threads: of torch, for all ways alike; by default as they are, "sampling" with one and with all cores.
        models: which nets, for "sampling" and "training", or which peers, for "tables".
        runs: run folders of models, for the cases that take some.
        drafts: run folders of drafts for them, for "predictive".
        files: for models of bytes, for "compression".
        tables: which ones, for "tables".
        tasks: which ones of each table, for "tables".
        peers: folder of the environments of peers, for "tables".
        records: folder of the records of each table, for "tables".
        device: other than the CPU, for "sampling".
        tell: called with what is measured next, where that takes minutes.

    Raises:
        ChainruleError: on an unknown case, or a choice of models or runs for a case that has its own.
    """
    case = find_case(name)
    given: dict[str, Any] = {"models": models, "runs": runs, "drafts": drafts, "files": files}
    given |= {"tables": tables, "tasks": tasks, "peers": peers, "records": records}
    for choice, value in given.items():
        if value and choice not in case.choices:
            takers = " and ".join(other for other, its in CASES.items() if choice in its.choices)
            raise ChainruleError(f"bench {name}: has its own models; {choice} are for {takers}")
    if device and "device" not in case.choices:
        raise ChainruleError(f"bench {name}: measures the CPU; another device is for sampling")
    batch = case.batch if batch is None else batch
    command = f"chainrule bench {name}"
    command += f" --batch {batch}" if batch else ""
    command += f" --repeats {repeats}"
    command += f" --threads {threads}" if threads else ""
    command += f" --device {device}" if device else ""
    command += "".join(_written(choice, value) for choice, value in given.items() if value)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    others = {"threads": threads, "device": device, "tell": tell}
    choices: dict[str, Any] = {choice: value for choice, value in given.items() if value}
    choices |= {choice: value for choice, value in others.items() if choice in case.choices}
    try:
        measured = case.measure(batch, repeats, **choices)
    finally:
        torch.set_num_threads(before)
    return {
        "case": name,
        "batch": batch,
        "repeats": repeats,
        "threads": threads if "threads" in case.choices else threads or before,
        "command": command,
        **measured,
        "load_average": load,
        **circumstances(),
    }


def _written(choice: str, value: Path | Sequence[object]) -> str:
    """A choice as it is typed: a folder, or an option that is repeated."""
    if isinstance(value, Path):
        return f" --{choice} {value}"
    return "".join(f" --{choice[:-1]} {each}" for each in value)


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


def notes_of(record: dict) -> list[str]:
    """Sentences to go with the table: what is missing, and what the case has to say."""
    absent = [f"Without {name}: {reason}." for name, reason in record.get("absent", {}).items()]
    return [*absent, *find_case(record["case"]).notes(record)]
