"""What sampling images costs: the rollout beside one forward pass, and beside one per site."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.models import create_model
from chainrule.tasks.bench_networks import flop_ratio
from chainrule.tasks.timing import time_interleaved

BITS, COLOURS = Domain.image(1, 28, 28, levels=2), Domain.image(3, 32, 32, levels=256)


class Net(NamedTuple):
    """A model by its registry name, and where it is measured."""

    name: str
    domain: Domain
    hyperparameters: dict[str, Any]


NETS = {
    "gated-pixelcnn 6×64": Net("gated-pixelcnn", BITS, {"channels": 64, "depth": 6}),
    "pixelcnn 7×32": Net("pixelcnn", BITS, {"channels": 32, "depth": 7}),
    "row-lstm": Net("row-lstm", BITS, {}),
    "diagonal-bilstm": Net("diagonal-bilstm", BITS, {}),
    "gated-pixelcnn, colours": Net("gated-pixelcnn", COLOURS, {"channels": 48, "depth": 4}),
    "pixelcnn-plus-plus": Net("pixelcnn-plus-plus", COLOURS, {}),
}
PAPER = {
    "pixelcnn-plus-plus, paper size": Net(
        "pixelcnn-plus-plus", COLOURS, {"channels": 160, "depth": 5, "scales": 3, "dropout": 0.5}
    )
}


def measure(batch: int, repeats: int, models: list[str] | None = None) -> dict:
    """Each net with random weights; the naive way's time is that of one forward pass times its sites."""
    nets = {**NETS, **PAPER}
    chosen = {label: net for label, net in nets.items() if net.name in models} if models else NETS
    return {
        "about": "Sampling images",
        "nets": {label: _measure(net, batch, repeats) for label, net in chosen.items()},
    }


def _measure(net: Net, batch: int, repeats: int) -> dict:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(net.name, net.domain, **net.hyperparameters).factorisation.eval()
    x = torch.zeros(batch, *net.domain.event_shape, dtype=torch.int64)
    ways = {"forward": lambda: model(x), "rollout": lambda: model.sample(batch)}
    with exact_arithmetic(model):
        times = time_interleaved(ways, repeats)
    passes = times.ratio("rollout", "forward")
    return {
        "domain": str(net.domain),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": times.medians(),
        "passes": passes,
        "speedup": model.sites / passes,
        "flops": flop_ratio(model),
    }


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a net."""
    rows = [
        [
            label,
            f"{r['parameters'] / 1e6:.2f} M",
            f"{r['seconds']['forward']:.2f} s",
            f"{r['seconds']['rollout']:.2f} s",
            f"{r['passes']:.1f}",
            f"{r['speedup']:.0f}",
            f"{r['flops']:.2f}",
        ]
        for label, r in record["nets"].items()
    ]
    samples = f"{record['batch']} samples"
    columns = [
        "net",
        "parameters",
        "one forward",
        samples,
        "÷ one forward",
        "× naive",
        "FLOPs ÷ one log_prob",
    ]
    return columns, rows
