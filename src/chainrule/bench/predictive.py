"""What predictive sampling saves: calls of trained models, and time beside their cached steps, eager and native."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from chainrule.bench.timing import time_interleaved
from chainrule.engine import FixedPoint, Predictive, Runner, Speculative, exact_arithmetic
from chainrule.engine.auto import find_native
from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel
from chainrule.training import Run

BLOCKS = 4  # of an item, iterated one after another
WAYS = "fixed-point", "blocks"


def measure(batch: int, repeats: int, runs: Sequence[str] = (), drafts: Sequence[str] = ()) -> dict:
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
    return {"about": "Predictive sampling beside cached steps", "runs": measured}


def _open(folder: str) -> AutoregressiveModel:
    model = Run.open(folder).model.factorisation.eval()
    if model.conditional and len(model.condition.counts) != 1:
        raise ChainruleError(
            f"bench predictive: expected models unconditional or of one label, {folder} is neither"
        )
    return model


def _fits(draft: AutoregressiveModel, model: AutoregressiveModel) -> bool:
    same = torch.equal(draft.ordering.variables, model.ordering.variables)
    return draft is not model and draft.domain == model.domain and same


def _measure(
    model: AutoregressiveModel, batch: int, repeats: int, drafts: dict[str, AutoregressiveModel]
) -> dict:
    cond = torch.arange(batch) % model.condition.counts[0] if model.conditional else None
    prefill_multiple = model.network.prefill_multiple or 1
    block = -(-model.sites // (BLOCKS * prefill_multiple)) * prefill_multiple
    runners: dict[str, Predictive] = {
        **dict(zip(WAYS, (FixedPoint(), FixedPoint(block=block)), strict=True)),
        **{f"draft {name}": Speculative(draft) for name, draft in drafts.items()},
    }
    x = model.sample(batch, cond, generator=torch.Generator().manual_seed(0))
    steps: dict[str, Runner] = {"eager": "eager"}
    if _runs_natively(model, cond):
        steps["native"] = "native"
    ways: dict[str, Callable[[], object]] = {
        "forward": lambda: model(x, cond),
        **{way: _drawing(model, batch, cond, runner) for way, runner in {**steps, **runners}.items()},
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
        "speedup": {
            "a pass per site": {way: model.sites * times.ratio("forward", way) for way in runners},
            **{f"{of} steps": {way: times.ratio(of, way) for way in runners} for of in steps},
        },
    }


def _runs_natively(model: AutoregressiveModel, cond: Tensor | None) -> bool:
    if isinstance(find_native(model), str):
        return False
    from chainrule.engine.native import Unsupported  # there is numba

    try:
        _drawing(model, 1, None if cond is None else cond[:1], "native")()
    except Unsupported:
        return False
    return True


def _drawing(
    model: AutoregressiveModel, batch: int, cond: Tensor | None, runner: Runner
) -> Callable[[], object]:
    """Another sample each time, the same ones for every runner."""
    seeds = itertools.count()

    def draw() -> Tensor:
        return model.sample(batch, cond, generator=torch.Generator().manual_seed(next(seeds)), runner=runner)

    return draw


def _calls(runner: Predictive, model: AutoregressiveModel) -> float:
    """Passes of an item on average, in percent of its steps."""
    return 100 * runner.calls.double().mean().item() / model.sites


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a run and batch size; times of fixed points of the whole and of blocks, then of drafts."""
    forecasts, beside = ("zeros", "last", *WAYS), ("a pass per site", "eager steps", "native steps")
    rows = []
    for folder, run in record["runs"].items():
        for batch, r in run["batches"].items():
            calls, gains = r["calls_percent"], [r["speedup"].get(of, {}) for of in beside]
            drafts = [way for way in gains[0] if way not in WAYS]
            rows.append(
                [
                    "/".join(Path(folder).parts[-2:]),
                    batch,
                    *(f"{calls[way]:.1f} %" for way in forecasts),
                    *(_each(gain, WAYS) for gain in gains),
                    "; ".join(
                        f"{calls[way]:.0f} %: {', '.join(_each(g, [way]) for g in gains)}" for way in drafts
                    )
                    or "–",
                ]
            )
    columns = [
        "run",
        "batch",
        "calls: zeros",
        "last",
        "fixed point",
        f"{BLOCKS} blocks",
        *(f"× {of}" for of in beside),
        "draft: calls, the same three",
    ]
    return columns, rows


def _each(gains: dict[str, float], ways: Sequence[str]) -> str:
    return " / ".join(f"{gains[way]:.2g}" if way in gains else "–" for way in ways)
