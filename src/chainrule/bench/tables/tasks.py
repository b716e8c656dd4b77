"""What a peer is asked about a table, and how its answer is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from chainrule.bench.tables.holes import MECHANISMS, holes, spoilt
from chainrule.bench.tables.measures import judge_columns, judge_imputation
from chainrule.bench.tables.tables import Table
from chainrule.data.columns import infer_columns
from chainrule.tasks.auroc import auroc
from chainrule.tasks.comparison.compare import compare_tables

if TYPE_CHECKING:
    import pandas as pd

TESTED = 0.3  # share of the rows
DRAWS = 20
DRAWN = 10_000
SCORED = 200  # rows whose density is asked at most
Ask = Callable[..., dict[str, Any]]

PEERS = {
    "synthesis": ("chainrule", "gaussian-copula", "ctgan", "tvae", "arfpy", "unmasking-trees"),
    "imputation": (
        *("chainrule", "iterative-linear", "iterative-forests", "knn", "miceforest", "hyperimpute"),
        "unmasking-trees",
    ),
    "anomaly": ("chainrule", "ecod", "copod", "iforest", "lof", "knn"),
}
# Task → (its peers and protocol, what it varies).
TASKS = {
    "synthesis": ("synthesis", ""),
    **{f"imputation-{mechanism}": ("imputation", mechanism) for mechanism in MECHANISMS},
    "anomaly-cells": ("anomaly", "cells"),
    "anomaly-class": ("anomaly", "class"),
}


def tried(task: str, table: Table, frame: pd.DataFrame, ask: Ask) -> dict[str, Any]:
    """Ask a peer about a table, and judge.

    Args:
        task: of `TASKS`.
        table: of the frame.
        frame: its rows, in random order.
        ask: (tables, request) → what the peer gives.

    Returns:
        "seconds" and the figures, or "error".
    """
    kind, variant = TASKS[task]
    size = round(TESTED * len(frame))
    test, train = frame[:size].reset_index(drop=True), frame[size:].reset_index(drop=True)
    if kind == "synthesis":
        return _synthesis(train, test, ask)
    return (
        _imputation(train, test, variant, ask)
        if kind == "imputation"
        else _anomaly(train, test, table, variant, ask)
    )


def _synthesis(train: pd.DataFrame, test: pd.DataFrame, ask: Ask) -> dict[str, Any]:
    steps = {column.name: column.step for column in infer_columns(train) if column.step}
    # Peers differ in what a missing cell counts for, so that densities are of rows without any.
    found = ask({"train": train, "test": test.dropna()}, n=DRAWN, steps=steps, scored=SCORED)
    if "error" in found:
        return found
    drawn = found["drawn"][list(train)]
    figures = compare_tables(test, drawn[: len(train)], train).figures()
    figures |= judge_columns(train, test, drawn)
    if "log_density" in found:
        nats = found["log_density"]["nats"].to_numpy()
        figures |= {"log_density": float(nats.mean()), "log_density_median": float(np.median(nats))}
        figures["without_density"] = float((~np.isfinite(nats)).mean())
    return _seconds(found) | figures


def _seconds(found: dict[str, Any]) -> dict[str, float]:
    return {name: found[name] for name in ("seconds", "processor_seconds")}


def _imputation(train: pd.DataFrame, test: pd.DataFrame, mechanism: str, ask: Ask) -> dict[str, Any]:
    numbers = train.select_dtypes("number")
    train, test = (_with_gaps(rows) for rows in (train, test))
    hidden = holes(test, mechanism, seed=1)
    known = train.mask(holes(train, mechanism, seed=2))
    found = ask({"train": known, "test": test.mask(hidden)}, draws=DRAWS)
    if "error" in found:
        return found
    scale = numbers.std().replace(0, 1)
    return _seconds(found) | judge_imputation(test, hidden, found["point"], found.get("draws"), scale)


def _with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with types that hold missing cells, whether or not any is hidden."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("number"), float))


def _anomaly(train: pd.DataFrame, test: pd.DataFrame, table: Table, variant: str, ask: Ask) -> dict[str, Any]:
    """Usual rows and anomalies: rows with cells of other rows, or those of another class."""
    if variant == "cells":
        half = len(test) // 2
        usual, anomalous = test[:half], spoilt(test[half:], seed=1)
    elif table.usual is None:
        return {"error": "no class of anomalies"}
    else:
        name, value = table.usual
        train = train[train[name] == value].drop(columns=name)
        usual, anomalous = (test[(test[name] == value) == yes].drop(columns=name) for yes in (True, False))
    import pandas as pd

    rows = pd.concat([usual, anomalous], ignore_index=True)
    found = ask({"train": train.reset_index(drop=True), "test": rows})
    if "error" in found:
        return found
    scores = torch.tensor(found["scores"]["score"].to_numpy(float))
    area, error = auroc(scores[: len(usual)], scores[len(usual) :])
    return _seconds(found) | {"auroc": area, "se": error}
