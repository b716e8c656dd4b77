"""What one sample of a large MADE costs, beside one forward pass per variable with masks applied beforehand."""

from __future__ import annotations

import torch

from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.models import create_model
from chainrule.tasks.bench_networks import flop_ratio
from chainrule.tasks.premasked import premasked
from chainrule.tasks.timing import time_interleaved

SIZE, HIDDEN = 784, (500, 500)


def measure(batch: int, repeats: int) -> dict:
    """MADE 784-500-500-784 on bits. The naive way is given its masked weights and draws nothing: passes alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model("made", Domain.binary(SIZE), hidden=HIDDEN, residual=False).factorisation
    forward = premasked(model)
    with exact_arithmetic(model):
        codes = model.sample(batch, generator=torch.Generator().manual_seed(0)).float()

        def naive() -> None:
            for _ in range(SIZE):
                forward(codes)

        ways = {"ours": lambda: model.sample(batch), "naive": naive, "forward": lambda: forward(codes)}
        times = time_interleaved(ways, repeats)
    return {
        "about": f"Sampling MADE {SIZE}-{HIDDEN[0]}-{HIDDEN[1]}-{SIZE}",
        "seconds": times.medians(),
        "speedup": times.ratio("naive", "ours"),
        "passes": times.ratio("ours", "forward"),
        "flops": flop_ratio(model),
    }


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """One row."""
    seconds = record["seconds"]
    row = [
        f"{SIZE}-{HIDDEN[0]}-{HIDDEN[1]}-{SIZE}",
        f"{1e3 * seconds['ours']:.0f} ms",
        f"{1e3 * seconds['naive']:.0f} ms",
        f"{record['speedup']:.1f}",
        f"{record['flops']:.2f}",
    ]
    samples = f"{record['batch']} samples"
    return ["MADE", samples, f"{SIZE} forward passes", "× naive", "FLOPs ÷ one log_prob"], [row]
