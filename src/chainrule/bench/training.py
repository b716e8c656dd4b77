"""What a step of training costs, in float32, in bf16 and compiled, beside the products that it cannot do without."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from chainrule.bench.ceilings import measure_peak
from chainrule.bench.nets import NETS
from chainrule.bench.timing import time_interleaved
from chainrule.domain import Domain
from chainrule.engine import count_flops
from chainrule.errors import ChainruleError, nearest
from chainrule.models import AutoregressiveModel

BATCHES = {
    "made": 100,
    "nade": 100,
    "gated-pixelcnn": 16,
    "pixelcnn-plus-plus": 8,
    "diagonal-bilstm": 16,
    "wavenet": 2,
    "transformer": 8,
}
SECONDS = 5.0  # of counted rounds, of each net
PATIENCE = 60  # seconds that compiling may take
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
CHILD = "from chainrule.bench.training import report; report()"


def measure(
    batch: int | None,
    repeats: int,
    *,
    models: list[str] | None = None,
    tell: Callable[[str], object] = str,
) -> dict:
    """Forward, backward and AdamW on random items.

    Args:
        batch: items at once, in place of each net's own number.
        repeats: counted rounds, fewer where they take longer than `SECONDS`.
        models: which of `BATCHES`; all by default.
        tell: called with what is measured next.

    Raises:
        ChainruleError: on an unknown net.
    """
    for name in models or ():
        if name not in BATCHES:
            raise ChainruleError(f"bench training: unknown model {name!r}; {nearest(name, BATCHES)}")
    threads = torch.get_num_threads()
    peaks = {name: max(measure_peak(threads, dtype).values()) for name, dtype in DTYPES.items()}
    sizes = {name: batch or BATCHES[name] for name in models or BATCHES}
    rows = []
    for name, size in sizes.items():
        tell(f"{name}, batch {size}")
        rows.append(_measure(name, size, repeats, peaks))
    return {
        "about": "Training: items a second",
        "rows": rows,
        "peak_flops": peaks,
    }


def _measure(name: str, batch: int, repeats: int, peaks: dict[str, float]) -> dict:
    model, x = build(name), items(NETS[name].domain, batch)
    ways = {kind: partial(training_step(model, _loss(model, kind)), x) for kind in DTYPES}
    seconds = time_interleaved(ways, repeats, seconds=SECONDS).medians()
    flops = pass_flops(model)
    compiled = measure_compiled(name, batch)
    if "speedup" in compiled:
        seconds["compiled"] = seconds["float32"] / compiled["speedup"]
    return {
        "net": name,
        "about": NETS[name].about,
        "batch": batch,
        "items_per_second": {way: batch / taken for way, taken in seconds.items()},
        "flops_per_item": 3 * flops,
        "of_peak": {
            way: 3 * flops * batch / taken / peaks.get(way, peaks["float32"])
            for way, taken in seconds.items()
        },
        "compiled": compiled,
    }


def build(name: str) -> AutoregressiveModel:
    """One of `NETS`, to be trained."""
    return NETS[name].build().train()


def items(domain: Domain, batch: int) -> Tensor:
    """Random items (B, *event_shape), always the same."""
    return torch.randint(
        domain.max_levels, (batch, *domain.event_shape), generator=torch.Generator().manual_seed(0)
    )


def pass_flops(model: AutoregressiveModel) -> int:
    """Operations of one item's log_prob; a step takes three times these, with the gradients of both factors."""
    ghost = copy.deepcopy(model).to("meta").eval()
    x = torch.zeros(1, *model.domain.event_shape, dtype=torch.int64, device="meta")
    return count_flops(lambda: ghost.log_prob(x))


def training_step(model: AutoregressiveModel, loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor], None]:
    """A step of AdamW on a batch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()

    return step


def _loss(model: AutoregressiveModel, kind: str) -> Callable[[Tensor], Tensor]:
    def loss(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind == "bf16"):
            return -model.log_prob(x).mean()

    return loss


def measure_compiled(name: str, batch: int) -> dict[str, Any]:
    """torch.compile of the loss in float32, in a process of its own.

    Returns:
        "seconds" until the first step is done, and "speedup" over the eager step; or "absent", why there is none.
    """
    command = [sys.executable, "-c", CHILD, name, str(batch), str(torch.get_num_threads())]
    with tempfile.TemporaryDirectory() as folder:
        alone = {
            **os.environ,
            "TORCHINDUCTOR_CACHE_DIR": folder,  # nothing compiled before
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no workers that outlive the process
        }
        try:
            ended = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return {"absent": f"not compiled within {PATIENCE} s"}
    if ended.returncode:
        return {"absent": (ended.stderr.strip().splitlines() or ["no reason given"])[-1]}
    return json.loads(ended.stdout)


def report() -> None:
    """What `measure_compiled` runs: prints what it gives."""
    name, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    model, x = build(name), items(NETS[name].domain, batch)
    loss = _loss(model, "float32")
    eager, compiled = training_step(model, loss), training_step(model, torch.compile(loss))
    start = time.perf_counter()
    compiled(x)
    seconds = time.perf_counter() - start
    times = time_interleaved({"eager": lambda: eager(x), "compiled": lambda: compiled(x)}, 5, seconds=SECONDS)
    print(json.dumps({"seconds": seconds, "speedup": times.ratio("eager", "compiled")}))


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a net."""
    ways = (*DTYPES, "compiled")
    rows = []
    for row in record["rows"]:
        rates, shares = row["items_per_second"], row["of_peak"]
        rows.append(
            [
                row["net"],
                f"{row['batch']}",
                *(f"{rates[way]:.3g}" if way in rates else "" for way in ways),
                *(f"{shares[way]:.0%}" if way in shares else "" for way in ways),
            ]
        )
    columns = ["net", "batch", "float32, items/s", "bf16", "compiled"]
    return [*columns, "float32, of peak", "bf16", "compiled"], rows


def notes(record: dict) -> list[str]:
    """What the machine can do, and what was not compiled."""
    peaks = [f"{rate / 1e9:.0f} Gflop/s in {name}" for name, rate in record["peak_flops"].items()]
    absent = [
        f"{row['net']}: {row['compiled']['absent']}." for row in record["rows"] if "absent" in row["compiled"]
    ]
    return [f"Peak {', '.join(peaks)}.", *absent]
