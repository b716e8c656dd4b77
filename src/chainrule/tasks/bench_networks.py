"""What sampling costs: the rollout beside the naive way and beside one parallel pass."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass

import torch

from chainrule.domain import Domain
from chainrule.engine import count_flops, exact_arithmetic
from chainrule.models import AutoregressiveModel, create_model
from chainrule.tasks.timing import time_interleaved

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
    """Time the three in turn, `repeats` times after a warm-up.

    The naive way runs one forward on the whole batch for each site, as published code of these models does.
    """
    x = model.sample(batch, generator=torch.Generator().manual_seed(0))

    def naive() -> None:
        for _ in range(model.sites):
            model(x)

    ways = {"forward": lambda: model(x), "rollout": lambda: model.sample(batch), "naive": naive}
    with exact_arithmetic(model):
        times = time_interleaved(ways, repeats)
    return SamplingBench(
        batch=batch,
        sites=model.sites,
        **times.medians(),
        speedup=times.ratio("naive", "rollout"),
        passes=times.ratio("rollout", "forward"),
        flops=flop_ratio(model),
    )


def flop_ratio(model: AutoregressiveModel) -> float:
    """Operations of one sample / operations of one log_prob; 0 for a model without products."""
    ghost = copy.deepcopy(model).to("meta")
    x = torch.zeros(
        1, *model.domain.event_shape, dtype=torch.int64 if model.domain.discrete else None, device="meta"
    )
    scoring = count_flops(lambda: ghost.log_prob(x))
    return count_flops(lambda: ghost.sample(1)) / scoring if scoring else 0.0


def measure(batch: int, repeats: int, models: list[str] | None = None) -> dict:
    """Models with their default hyperparameters on the domain of digits."""
    domain = Domain.image(1, 8, 8, levels=17)
    measured = {
        name: bench_sampling(create_model(name, domain).factorisation, batch, repeats=repeats)
        for name in models or NETWORKS
    }
    return {
        "about": f"Sampling {domain}",
        "domain": str(domain),
        "models": {name: result.to_dict() for name, result in measured.items()},
    }


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a model."""
    rows = [
        [
            name,
            f"{1e3 * r['rollout']:.1f} ms",
            f"{r['speedup']:.0f}",
            f"{r['passes']:.1f}",
            f"{r['flops']:.2f}",
        ]
        for name, r in record["models"].items()
    ]
    batch = record["batch"]
    return ["model", f"{batch} samples", "× naive", "÷ one forward", "FLOPs ÷ one log_prob"], rows
