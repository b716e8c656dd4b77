"""What rounded weights cost in likelihood: the models that `native-bf16` and `native-int8` draw from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from chainrule.engine import Known, Sample
from chainrule.engine.native import NativeRunner
from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel
from chainrule.models.base.capabilities import Factorises
from chainrule.run_files import CONFIG
from chainrule.tasks.likelihood import log_probs
from chainrule.training import Recipe, Run
from chainrule.where import locate

ROUNDINGS = ("bf16", "int8")


def measure(batch: int, repeats: int, runs: Sequence[str] = ()) -> dict:
    """The likelihood of test items by native steps in float32, and with weights rounded to bfloat16 and to int8.

    Args:
        batch: items.
        repeats: not used; likelihoods are the same each time.
        runs: run folders of autoregressive models.

    Raises:
        ChainruleError: without runs, or if one is of another kind of model.
    """
    if not runs:
        raise ChainruleError("bench rounding: expected trained models, --run RUN, got none")
    return {
        "about": "Likelihood of test items with weights rounded to bfloat16, and to int8",
        "rows": [_measure(run, batch) for run in runs],
    }


def _measure(run: str, batch: int) -> dict:
    folder = locate(run)
    model, data = Run.open(folder).model, Recipe.read(folder / CONFIG).load_data(None)
    if not isinstance(model, Factorises):
        raise ChainruleError(f"bench rounding: expected an autoregressive model, got {model.name} in {run}")
    x = data.test[:batch]
    cond = data.cond("test") if model.conditional else None
    cond = None if cond is None else cond[:batch]
    trained = log_probs(model, x, cond)
    exact = native_log_prob(model.factorisation, x, cond)
    return {
        "run": run,
        "model": model.name,
        "items": len(x),
        "nats": -trained.mean().item(),
        "native_is_off_by": (exact - trained).abs().max().item(),
        "more_nats": {
            kind: _mean_and_error(trained - native_log_prob(model.factorisation, x, cond, kind))
            for kind in ROUNDINGS
        },
    }


def _mean_and_error(more: Tensor) -> tuple[float, float]:
    return more.mean().item(), (more.std() / math.sqrt(len(more))).item()


def native_log_prob(
    model: AutoregressiveModel, x: Tensor, cond: Tensor | None, rounding: str | None = None
) -> Tensor:
    """log p(x) as native steps accumulate it: (B, *event_shape) → (B,) nats."""
    sites = model.to_sites(model.domain.check(x))
    values = model.readable(sites).flatten(1)
    rule = Known(
        values, torch.ones_like(values, dtype=torch.bool), Sample(torch.zeros(values.shape).double())
    )
    drawn = model.rollout(rule, len(x), cond, score=True, runner=NativeRunner(model, rounding=rounding))
    assert drawn.log_prob is not None
    behind = sites.flatten(1) < 0 if model.domain.lengths == "given" else False  # the end of an item: no term
    return drawn.log_prob.flatten(1).masked_fill(torch.as_tensor(behind), 0.0).sum(1)


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a run."""
    rows = [
        [
            Path(row["run"]).parent.name + ", " + row["model"],
            f"{row['items']}",
            f"{row['nats']:.3f}",
            *("{:+.4f} ± {:.4f}".format(*row["more_nats"][kind]) for kind in ROUNDINGS),
        ]
        for row in record["rows"]
    ]
    return ["", "items", "nats, float32", *(f"more nats, {kind}" for kind in ROUNDINGS)], rows
