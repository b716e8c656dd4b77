"""What guessing ahead saves: calls of trained models, and time beside their cached steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chainrule.engine import FixedPoint, Predictive, Speculative, exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel
from chainrule.tasks.timing import time_interleaved
from chainrule.training import Run

BLOCKS = 4  # of an item, iterated one after another


def measure(batch: int, repeats: int, runs: Sequence[Path] = (), drafts: Sequence[Path] = ()) -> dict:
    """Each run, one item at a time and a batch; a draft is tried on the runs of its own domain and ordering.

    Raises:
        ChainruleError: without a run, or for one conditioned on anything but a class.
    """
    if not runs:
        raise ChainruleError("bench predictive: expected run folders of trained models, --run RUN, got none")
    models = {str(folder): _open(folder) for folder in [*runs, *drafts]}
    measured = {}
    for folder in map(str, runs):
        model = models[folder]
        own = {str(draft): models[str(draft)] for draft in drafts if _fits(models[str(draft)], model)}
        measured[folder] = {
            "model": Run.open(folder).model.name,
            "domain": str(model.domain),
            "sites": model.sites,
            "batches": {str(rows): _measure(model, rows, repeats, own) for rows in dict.fromkeys((1, batch))},
        }
    return {"about": "Guessing ahead beside cached steps", "runs": measured}


def _open(folder: Path) -> AutoregressiveModel:
    model = Run.open(folder).model.factorisation.eval()
    if model.conditional and len(model.condition.counts) != 1:
        raise ChainruleError(f"bench predictive: expected models of one class or none, {folder} is another")
    return model


def _fits(draft: AutoregressiveModel, model: AutoregressiveModel) -> bool:
    same = torch.equal(draft.ordering.variables, model.ordering.variables)
    return draft is not model and draft.domain == model.domain and same


def _measure(
    model: AutoregressiveModel, batch: int, repeats: int, drafts: dict[str, AutoregressiveModel]
) -> dict:
    cond = torch.arange(batch) % model.condition.counts[0] if model.conditional else None
    grain = model.network.grain or 1
    block = -(-model.sites // (BLOCKS * grain)) * grain
    runners: dict[str, Predictive] = {
        "fixed-point": FixedPoint(),
        "blocks": FixedPoint(block=block),
        **{f"draft {name}": Speculative(draft) for name, draft in drafts.items()},
    }
    x = model.sample(batch, cond, generator=torch.Generator().manual_seed(0))
    ways: dict[str, Callable[[], object]] = {
        "forward": lambda: model(x, cond),
        "steps": _drawing(model, batch, cond, None),
        **{way: _drawing(model, batch, cond, runner) for way, runner in runners.items()},
    }
    with exact_arithmetic(model):
        times = time_interleaved(ways, repeats)
    # The two other forecasts need more passes; how many is all that one wants to know of them.
    forecasts = {name: FixedPoint(forecast=name) for name in ("zeros", "last")}
    for forecast in forecasts.values():
        draw = _drawing(model, batch, cond, forecast)
        for _ in range(repeats + 1):  # the samples that the others drew
            draw()
    return {
        "seconds": times.medians(),
        "block": block,
        "calls_percent": {way: _calls(runner, model) for way, runner in {**runners, **forecasts}.items()},
        "passes": {way: runner.passes / (repeats + 1) for way, runner in runners.items()},
        "speedup": {way: times.ratio("steps", way) for way in runners},
        "naive_speedup": {way: model.sites * times.ratio("forward", way) for way in runners},
    }


def _drawing(
    model: AutoregressiveModel, batch: int, cond: Tensor | None, runner: Predictive | None
) -> Callable[[], object]:
    """Another sample each time, the same ones for every runner."""
    seeds = itertools.count()

    def draw() -> Tensor:
        return model.sample(batch, cond, generator=torch.Generator().manual_seed(next(seeds)), runner=runner)

    return draw


def _calls(runner: Predictive, model: AutoregressiveModel) -> float:
    """Of an item, on average: passes in percent of its steps."""
    return 100 * runner.calls.double().mean().item() / model.sites


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a run and batch size."""
    rows = []
    for folder, run in record["runs"].items():
        for batch, r in run["batches"].items():
            calls, gain, naive = r["calls_percent"], r["speedup"], r["naive_speedup"]
            drafts: Any = [way for way in gain if way.startswith("draft ")]
            rows.append(
                [
                    "/".join(Path(folder).parts[-2:]),
                    batch,
                    *(f"{calls[way]:.1f} %" for way in ("zeros", "last", "fixed-point", "blocks")),
                    f"{naive['fixed-point']:.1f}, {naive['blocks']:.1f}",
                    f"{gain['fixed-point']:.2f}, {gain['blocks']:.2f}",
                    ", ".join(f"{calls[way]:.0f} %, × {gain[way]:.2f}" for way in drafts) or "–",
                ]
            )
    columns = [
        "run",
        "batch",
        "calls: zeros",
        "last",
        "fixed point",
        f"in {BLOCKS} blocks",
        "× a pass per site: fixed point, blocks",
        "× cached steps: fixed point, blocks",
        "draft: calls, × cached",
    ]
    return columns, rows
