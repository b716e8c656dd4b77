"""What sampling costs: the rollout beside the naive way and beside one parallel pass, in one run."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from chainrule.domain import Domain
from chainrule.engine import count_flops, exact_arithmetic
from chainrule.models import AutoregressiveModel, create_model
from chainrule.results import circumstances

CASES = ("sampling",)
NETWORKS = ("causal-conv1d", "finite-memory", "rnn", "lstm", "gru")


@dataclass(frozen=True)
class SamplingBench:
    """Medians over repeats, in seconds; ratios pair by pair.

    Attributes:
        batch: items drawn at once.
        sites: steps a sample takes.
        forward: one parallel pass over the batch.
        rollout: drawing the batch step by step.
        naive: drawing it with one parallel pass per site.
        speedup: naive / rollout.
        passes: rollout / forward.
        flops: operations of a sample / operations of one log_prob.
    """

    batch: int
    sites: int
    forward: float
    rollout: float
    naive: float
    speedup: float
    passes: float
    flops: float

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


def bench_sampling(model: AutoregressiveModel, batch: int, *, repeats: int = 5) -> SamplingBench:
    """Time the three in turn, `repeats` times after a warm-up, so that drift hits all alike.

    The naive way runs one forward on the whole batch for each site, as published code of these models does.
    """
    x = model.sample(batch, generator=torch.Generator().manual_seed(0))

    def naive() -> None:
        for _ in range(model.sites):
            model(x)

    ways: dict[str, Callable[[], object]] = {
        "forward": lambda: model(x),
        "rollout": lambda: model.sample(batch),
        "naive": naive,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with exact_arithmetic(model):
        for repeat in range(repeats + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                if repeat:
                    times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in times.items()}
    return SamplingBench(
        batch=batch,
        sites=model.sites,
        **median,
        speedup=statistics.median(n / r for n, r in zip(times["naive"], times["rollout"], strict=True)),
        passes=statistics.median(r / f for r, f in zip(times["rollout"], times["forward"], strict=True)),
        flops=_flop_ratio(model),
    )


def _flop_ratio(model: AutoregressiveModel) -> float:
    ghost = copy.deepcopy(model).to("meta")
    x = torch.zeros(
        1, *model.domain.event_shape, dtype=torch.int64 if model.domain.discrete else None, device="meta"
    )
    scoring = count_flops(lambda: ghost.log_prob(x))
    return count_flops(lambda: ghost.sample(1)) / scoring if scoring else 0.0


def record_sampling(models: list[str] | None = None, *, batch: int = 64, repeats: int = 5) -> dict:
    """Bench models with their default hyperparameters on the domain of digits: a record for `benchmarks/`."""
    domain = Domain.image(1, 8, 8, levels=17)
    measured = {
        name: bench_sampling(create_model(name, domain).factorisation, batch, repeats=repeats)
        for name in models or NETWORKS
    }
    return {
        "case": "sampling",
        "domain": str(domain),
        "batch": batch,
        "repeats": repeats,
        "command": f"chainrule bench sampling --batch {batch} --repeats {repeats}",
        "models": {name: result.to_dict() for name, result in measured.items()},
        **circumstances(),
    }
