"""What sampling costs: each runner beside one pass per site, other libraries, and what the machine could do at most."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path

from chainrule.bench.ceilings import measure_peak, torch_threads
from chainrule.bench.fresh_process import measure_fresh
from chainrule.bench.gpu import sampling as on_device
from chainrule.bench.nets import NETS, Net
from chainrule.bench.peers import Sampler, find_peers
from chainrule.bench.roofline import roofline
from chainrule.bench.timing import time_interleaved
from chainrule.engine import exact_arithmetic
from chainrule.engine.auto import NATIVE, find_runner
from chainrule.errors import ChainruleError, nearest
from chainrule.models import AutoregressiveModel
from chainrule.training.device import find_device

WAYS = ("naive", "default", "eager", *NATIVE)
SECONDS = 2.0  # of counted rounds, of each net, batch size and number of threads


def measure(
    batch: int | None,
    repeats: int,
    *,
    models: list[str] | None = None,
    threads: int | None = None,
    device: str | None = None,
    tell: Callable[[str], object] = str,
) -> dict:
    """Every net at its batch sizes, with one thread and with all.

    Args:
        batch: items at once, in place of each net's own numbers.
        repeats: counted rounds, fewer where they take longer than `SECONDS`.
        models: which of `NETS`; all by default.
        threads: one number of threads only.
        device: another one than the CPU, by `bench.gpu.sampling` at each net's own batch sizes.
        tell: called with what is measured next.

    Raises:
        ChainruleError: on an unknown net.
    """
    for name in models or ():
        if name not in NETS:
            raise ChainruleError(f"bench sampling: unknown model {name!r}; {nearest(name, NETS)}")
    if device not in (None, "cpu"):
        return on_device.measure_all(list(models or on_device.ORDER), str(find_device(device)), tell)
    counts = (threads,) if threads else tuple(dict.fromkeys((1, os.cpu_count() or 1)))
    chosen = {name: NETS[name] for name in models or NETS}
    rows: list[dict] = []
    native: list[str] = []
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name, net in chosen.items():
        model = net.build()
        peers, missing = find_peers(net.peers, net.domain, net.hyperparameters)
        versions |= {peer: metadata.version(peer) for peer in peers}
        absent |= missing
        ways: dict[str, Callable[[int], object]] = {
            "default": partial(net.draw, model),
            "eager": partial(net.draw, model, runner="eager"),
        }
        reason = _refusal(net, model)
        if reason:
            absent[f"the native runner of {name}"] = reason
        else:
            native.append(name)
            ways |= {way: partial(net.draw, model, runner=find_runner(model, way)) for way in NATIVE}
        for count in counts:
            with torch_threads(count):
                for size in (batch,) if batch else net.batches:
                    tell(f"{name}, batch {size}, threads {count}")
                    row = _measure(net, model, size, repeats, ways, peers)
                    rows.append({"net": name, "about": net.about, "threads": count, **row})
    largest = {row["net"]: row["batch"] for row in rows}
    tell("new processes")
    fresh, compiling = _fresh({name: largest[name] for name in native}, max(counts))
    return {
        "about": "Sampling: steps a second, each of one site of every item",
        "rows": rows,
        "peak_flops": {str(count): measure_peak(count) for count in counts},
        "compiling": compiling,
        "fresh": fresh,
        "versions": versions,
        "absent": absent,
    }


def _measure(
    net: Net,
    model: AutoregressiveModel,
    batch: int,
    repeats: int,
    runners: Mapping[str, Callable[[int], object]],
    peers: Mapping[str, Sampler],
) -> dict:
    together = min(batch, net.together)
    ways: dict[str, Callable[[], object]] = {"naive": net.forward(model, together)}
    for name, draw in (*runners.items(), *peers.items()):
        ways[name] = partial(draw, batch)
    with exact_arithmetic(model):
        times = time_interleaved(ways, repeats, seconds=SECONDS)
    steps = net.steps(model)
    # One pass over all items for each site, its time taken from one pass.
    seconds = times.medians() | {"naive": times.median("naive") * steps * batch / together}
    bound = roofline(model, batch, steps)
    return {
        "batch": batch,
        "steps": steps,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps_per_second": {name: steps / taken for name, taken in seconds.items()},
        "speedup": {
            name: taken / seconds["default"] for name, taken in seconds.items() if name not in runners
        },
        "roofline": bound,
        "of_roofline": bound["seconds"] / seconds["default"],
    }


def _refusal(net: Net, model: AutoregressiveModel) -> str:
    """Why there is no native runner of a model; empty if there is one."""
    try:
        net.draw(model, 1, "native")
    except ChainruleError as reason:
        return str(reason)
    return ""


def _fresh(batches: Mapping[str, int], threads: int) -> tuple[dict[str, dict], float | None]:
    """Times of each net in a new process that finds compiled code, and of compiling it; None without nets."""
    if not batches:
        return {}, None
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder)
        first, batch = next(iter(batches.items()))
        cold = measure_fresh(first, batch, threads, kept)
        warm = {name: measure_fresh(name, batch, threads, kept) for name, batch in batches.items()}
    return warm, cold["first"] - warm[first]["first"]


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a net, batch size and number of threads; what a new process takes stands in the last row of a net."""
    if "device" in record:
        return on_device.table(record)
    last = {row["net"]: row for row in record["rows"]}
    rows = []
    for row in record["rows"]:
        rates, speedup = row["steps_per_second"], row["speedup"]
        fresh = record["fresh"].get(row["net"], {}) if row is last[row["net"]] else {}
        peers = [f"{ratio:.1f} {name}" for name, ratio in speedup.items() if name != "naive"]
        rows.append(
            [
                row["net"],
                f"{row['batch']}",
                f"{row['threads']}",
                *(number(rates[way]) if way in rates else "" for way in WAYS),
                number(speedup["naive"]),
                ", ".join(peers),
                f"{row['of_roofline']:.0%}, {row['roofline']['by']}",
                f"{fresh['first'] - fresh['second']:.1f} s" if fresh else "",
                f"{fresh['held'] / 1e6:.0f} MB" if fresh.get("held") else "",
            ]
        )
    columns = ["net", "batch", "threads", "naive, steps/s", *WAYS[1:], "× naive", "× peer"]
    return [*columns, "of roofline", "set-up", "memory"], rows


def notes(record: dict) -> list[str]:
    """What the machine can do, and how long the native loop compiles."""
    if "device" in record:
        return []
    peaks = [
        f"{max(found.values()) / 1e9:.0f} Gflop/s with {count} thread{'s' * (count != '1')}"
        for count, found in record["peak_flops"].items()
    ]
    found = [f"Peak {', '.join(peaks)}."]
    if record["compiling"] is not None:
        found.append(f"Set-up with nothing compiled before: {record['compiling']:.0f} s more.")
    return found


def number(x: float) -> str:
    """Three digits that count."""
    return f"{x:.2g}" if x < 10 else f"{float(f'{x:.3g}'):,.0f}"
