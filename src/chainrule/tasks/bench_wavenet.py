"""What a sample of WaveNet costs: a step that keeps what it needs, beside a forward pass over the receptive field."""

from __future__ import annotations

import torch

from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.models import AutoregressiveModel, create_model
from chainrule.tasks.bench_networks import flop_ratio
from chainrule.tasks.timing import time_interleaved

CHANNELS, SKIP, DEPTH, CYCLE, LEVELS = 64, 256, 30, 10, 256
STEPS = 100  # timed together, and told as the time of one


def measure(batch: int, repeats: int) -> dict:
    """One item and a batch. The naive way of drawing a sample is a forward pass over all that it reads, and no more."""
    sites = 2 + sum(2 ** (i % CYCLE) for i in range(DEPTH))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(
            "wavenet", Domain.sequence(sites, LEVELS), channels=CHANNELS, skip=SKIP, depth=DEPTH, cycle=CYCLE
        ).factorisation
    return {
        "about": f"WaveNet {DEPTH}×{CHANNELS}, skip {SKIP}, receptive field {sites}",
        "sites": sites,
        "parameters": sum(p.numel() for p in model.parameters()),
        "flops": flop_ratio(model),
        "batches": {str(size): _measure(model, size, repeats) for size in (1, batch)},
    }


def _measure(model: AutoregressiveModel, batch: int, repeats: int) -> dict:
    x = torch.zeros(batch, model.sites, dtype=torch.int64)
    clock, state = torch.arange(STEPS), model.init_state(batch)

    def steps() -> None:
        nonlocal state
        for t in clock:
            _, state = model.step(x[:, :1], state, t)

    with exact_arithmetic(model):
        times = time_interleaved({"forward": lambda: model(x), "steps": steps}, repeats)
    seconds = {"forward": times.median("forward"), "step": times.median("steps") / STEPS}
    return {"seconds": seconds, "speedup": STEPS * times.ratio("forward", "steps")}


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a batch size."""
    rows = [
        [
            size,
            f"{1e3 * r['seconds']['step']:.2f} ms",
            f"{r['seconds']['forward']:.2f} s",
            f"{r['speedup']:.0f}",
            f"{record['flops']:.2f}",
        ]
        for size, r in record["batches"].items()
    ]
    columns = ["batch", "one step", f"one forward of {record['sites']}", "× naive", "FLOPs ÷ one log_prob"]
    return columns, rows
