"""What a step of training costs, in float32, in bf16 and compiled, beside other libraries and the machine's peak."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.bench.ceilings import measure_peak
from chainrule.bench.nets import TRAINED
from chainrule.bench.peers import find_peers
from chainrule.bench.timing import Times, time_interleaved
from chainrule.bench.training_peers import PEERS, Loss, Trained
from chainrule.domain import Domain
from chainrule.engine import count_flops
from chainrule.errors import ChainruleError, nearest

BATCHES = {
    "made": 100,
    "nade": 100,
    "gated-pixelcnn": 16,
    "pixelcnn-plus-plus": 8,
    "diagonal-bilstm": 16,
    "wavenet": 2,
    "transformer": 8,
    "tcn": 16,
    "maf": 256,
    "nsf": 256,
    "nsf-coupling": 256,
}
ROUND = 0.05  # seconds that a way takes at least in a round
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
    rows: list[dict] = []
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name, size in sizes.items():
        tell(f"{name}, batch {size}")
        net, x = TRAINED[name], items(TRAINED[name].domain, size)
        peers, missing = find_peers(PEERS.get(name, {}), net.domain, net.hyperparameters, partial(_scored, x))
        rows.append(_measure(name, x, repeats, peaks, peers))
        versions |= {peer: _version(peer) for peer in peers}
        absent |= missing
    return {
        "about": "Training: items a second",
        "rows": rows,
        "peak_flops": peaks,
        "versions": versions,
        "absent": absent,
    }


def _scored(x: Tensor, peer: Trained) -> Tensor:
    return peer[1](x)


def _measure(name: str, x: Tensor, repeats: int, peaks: dict[str, float], peers: dict[str, Trained]) -> dict:
    model, batch = build(name), len(x)
    losses: dict[str, tuple[nn.Module, Loss]] = {
        kind: (model, loss_of(model, kind)) for kind in DTYPES
    } | peers
    ways = {way: partial(training_step(module, loss), x) for way, (module, loss) in losses.items()}
    times = time_interleaved(ways, repeats, seconds=SECONDS, least=ROUND)
    seconds = times.medians()
    flops = pass_flops(model)
    compiled = measure_compiled(name, batch)
    if "speedup" in compiled:
        seconds["compiled"] = seconds["float32"] / compiled["speedup"]
    ours = [way for way in seconds if way not in peers]
    counted = {"ours": model, **{peer: module for peer, (module, _) in peers.items()}}
    return {
        "net": name,
        "about": TRAINED[name].about,
        "batch": batch,
        "items_per_second": {way: batch / taken for way, taken in seconds.items()},
        "flops_per_item": 3 * flops,
        "of_peak": {way: 3 * flops * batch / seconds[way] / peaks.get(way, peaks["float32"]) for way in ours},
        "compiled": compiled,
        "parameters": {way: sum(p.numel() for p in module.parameters()) for way, module in counted.items()},
        "speedup": {peer: {kind: times.ratio(peer, kind) for kind in DTYPES} for peer in peers},
        "scoring_speedup": _scoring(model, x, repeats, peers),
    }


def _scoring(model: Any, x: Tensor, repeats: int, peers: dict[str, Trained]) -> dict[str, float]:
    """How many times faster log_prob is than each peer's, in float32 without gradients."""
    if not peers:
        return {}
    ways = {"ours": partial(model.eval().log_prob, x)}
    ways |= {peer: partial(loss, x) for peer, (_, loss) in peers.items()}
    with torch.no_grad():
        times: Times = time_interleaved(ways, repeats, seconds=SECONDS, least=ROUND)
    model.train()
    return {peer: times.ratio(peer, "ours") for peer in peers}


def _version(peer: str) -> str:
    """The version of a peer's package; some are written afresh from a paper, for torch."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(peer)
    return f"torch {torch.__version__}"


def build(name: str) -> Any:
    """One of `TRAINED`, to be trained."""
    return TRAINED[name].build().train()


def items(domain: Domain, batch: int) -> Tensor:
    """Random items (B, *event_shape), always the same: levels, or normal reals."""
    generator, shape = torch.Generator().manual_seed(0), (batch, *domain.event_shape)
    if not domain.discrete:
        return torch.randn(shape, generator=generator)
    return torch.randint(domain.max_levels, shape, generator=generator)


def pass_flops(model: Any) -> int:
    """Operations of one item's log_prob; a step takes three times these, with the gradients of both factors."""
    ghost = copy.deepcopy(model).to("meta").eval()
    x = items(model.domain, 1).to("meta")
    return count_flops(lambda: ghost.log_prob(x))


def training_step(model: nn.Module, loss: Loss) -> Callable[[Tensor], None]:
    """A step of AdamW on a batch, of the mean of its losses."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        loss(x).mean().backward()
        optimizer.step()

    return step


def loss_of(model: Any, kind: str) -> Loss:
    """The loss of a batch, in one of `DTYPES`."""

    def loss(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=kind == "bf16"):
            return -model.log_prob(x)

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
    model, x = build(name), items(TRAINED[name].domain, batch)
    loss = loss_of(model, "float32")
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
        speeds, of_peak = row["items_per_second"], row["of_peak"]
        rows.append(
            [
                row["net"],
                f"{row['batch']}",
                *(f"{speeds[way]:.3g}" if way in speeds else "" for way in ways),
                *(f"{of_peak[way]:.0%}" if way in of_peak else "" for way in ways),
                *(_ratios({peer: of[kind] for peer, of in row["speedup"].items()}) for kind in DTYPES),
                _ratios(row["scoring_speedup"]),
                ", ".join(
                    f"{count:,} {way}".removesuffix(" ours") for way, count in row["parameters"].items()
                ),
            ]
        )
    rates, shares = ["float32, items/s", "bf16", "compiled"], ["float32, of peak", "bf16", "compiled"]
    return [
        "net",
        "batch",
        *rates,
        *shares,
        "float32 × peer",
        "bf16 × peer",
        "log_prob × peer",
        "parameters",
    ], rows


def _ratios(speedup: dict[str, float]) -> str:
    return ", ".join(f"{ratio:.2f} {peer}" for peer, ratio in speedup.items())


def notes(record: dict) -> list[str]:
    """What the machine can do, and what was not compiled."""
    peaks = [f"{rate / 1e9:.0f} Gflop/s in {name}" for name, rate in record["peak_flops"].items()]
    absent = [
        f"{row['net']}: {row['compiled']['absent']}." for row in record["rows"] if "absent" in row["compiled"]
    ]
    versions = [f"{peer} {version}" for peer, version in record["versions"].items()]
    return [f"Peak {', '.join(peaks)}.", *absent, *([f"Peers: {', '.join(versions)}."] if versions else [])]
