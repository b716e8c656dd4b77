"""Sampling on a device: eager steps, captured ones, also with fused kernels, compiled ones, Hugging Face, and the bound
of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from chainrule.bench.gpu.compiled import CompiledRunner
from chainrule.bench.gpu.setting import Setting, bandwidth, launch
from chainrule.bench.nets import NETS, Net
from chainrule.bench.peers import find_peers
from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.engine.auto import CAPTURED, FUSED, find_runner
from chainrule.engine.step_cost import count_steps

RATE = 16_000  # samples a second of recordings
# First what targets are about.
ORDER = ("transformer", "wavenet", "gated-pixelcnn", "lstm", "pixelcnn", "pixelcnn-plus-plus", "made", "nade")
SHRUNK = {
    "wavenet": Net(
        "2 blocks × 4",
        "wavenet",
        Domain.sequence(9, levels=5),
        {"channels": 4, "skip": 4, "depth": 2, "cycle": 2},
        (1,),
    ),
}


def names(shrink: bool) -> list[str]:
    """The nets, in order."""
    return list(SHRUNK if shrink else ORDER)


def measure(name: str, setting: Setting) -> Iterator[dict[str, Any]]:
    """One net at its batch sizes and at 1; a record after each way, so that none is lost where one hangs."""
    net = (SHRUNK if setting.shrink else NETS)[name]
    model = net.build().to(setting.device)
    record: dict[str, Any] = {
        "about": net.about,
        "steps": net.steps(model),
        "launch_seconds": launch(setting),
        "rows": [],
        "absent": {},
    }
    for batch in dict.fromkeys((1, *net.batches)):
        row: dict[str, Any] = {"batch": batch, "seconds": {}, "steps_per_second": {}}
        row["bound"] = _bound(model, batch, record["steps"], setting)
        record["rows"].append(row)
        for way, make in _ways(net, model, setting).items():
            try:
                draw = make()
                with exact_arithmetic(model):
                    seconds = setting.time(partial(draw, batch))
            except Exception as reason:  # of a compiler or another library, too
                record["absent"][f"{way}, batch {batch}"] = f"{type(reason).__name__}: {str(reason)[:300]}"
                continue
            row["seconds"][way] = seconds
            row["steps_per_second"][way] = record["steps"] / seconds
            row["of_bound"] = {w: row["bound"]["seconds"] / s for w, s in row["seconds"].items()}
            if name == "wavenet":
                row["real_time_factor"] = {w: rate / RATE for w, rate in row["steps_per_second"].items()}
            yield record
    yield record


def measure_all(nets: Sequence[str], device: str, tell: Callable[[str], object]) -> dict[str, Any]:
    """Some nets in this process, as `chainrule bench sampling --device` has them."""
    setting, rows, absent = Setting(device, False, None, Path(), 0.0), [], dict[str, str]()
    for name in nets:
        tell(name)
        found = list(measure(name, setting))[-1]
        rows.append({"net": name, **found})
        absent |= {f"{way} of {name}": reason for way, reason in found["absent"].items()}
    return {"about": "Sampling: steps a second", **setting.about(), "rows": rows, "absent": absent}


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a net and batch size: steps a second of each way, and what of the bound of memory the best one reaches."""
    all_ways = [row["steps_per_second"] for net in record["rows"] for row in net["rows"]]
    ways = list(dict.fromkeys(way for rates in all_ways for way in rates))
    rows = [
        [
            net["net"],
            str(row["batch"]),
            *(
                f"{row['steps_per_second'][way]:,.0f}" if way in row["steps_per_second"] else ""
                for way in ways
            ),
            f"{max(row['of_bound'].values()):.0%}" if row.get("of_bound") else "",
        ]
        for net in record["rows"]
        for row in net["rows"]
    ]
    return ["net", "batch", *(f"{way}, steps/s" for way in ways), "of bound"], rows


def _ways(net: Net, model: Any, setting: Setting) -> dict[str, Callable[[], Callable[[int], object]]]:
    def draw_by(runner: Any) -> Callable[[int], object]:
        return partial(net.draw, model, runner=runner)

    def ours(name: str) -> Callable[[int], object]:
        return draw_by(find_runner(model, name))

    def peer(name: str) -> Callable[[int], object]:
        found, absent = find_peers(
            {name: net.peers[name]}, net.domain, {**net.hyperparameters, "device": setting.device}
        )
        if name in absent:
            raise ImportError(absent[name])
        return found[name]

    ways: dict[str, Callable[[], Callable[[int], object]]] = {
        **{name: partial(ours, name) for name in (CAPTURED, FUSED, "eager")},
        **{name: partial(peer, name) for name in net.peers},
    }
    if not setting.shrink:  # compiling takes half a minute
        ways["compiled"] = lambda: draw_by(CompiledRunner(model, net.steps(model)))
    return ways


def _bound(model: Any, batch: int, steps: int, setting: Setting) -> dict[str, Any]:
    """The least time of a rollout: its weights and state are read once a step, from memory.

    Two bandwidths: of an array far larger than caches, and of one as large as weights and state together, which a
    cache may hold. The second makes the bound.
    """
    resident = [*model.parameters(), *model.buffers(), *tree_leaves(model.init_state(batch))]
    size = sum(x.numel() * x.element_size() for x in resident)
    rates = {"memory": bandwidth(setting), "resident": bandwidth(setting, max(size, 1 << 22))}
    kinds = count_steps(model, steps)
    moved = sum(kind.sites * (kind.cost.weights + batch * kind.cost.state) for kind in kinds)
    return {
        "seconds": moved / rates["resident"],
        "bytes": moved,
        "resident_bytes": size,
        "bandwidth": rates,
        "operations_a_step": _operations(model, batch),
    }


class _Counter(TorchDispatchMode):
    count = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def _operations(model: Any, batch: int) -> int:
    """Operations of torch in the last step, views aside: about as many kernels."""
    t = model.sites - 1
    prev = torch.zeros(batch, model.head.variables, dtype=model.head.kind(model.dtype), device=model.device)
    with exact_arithmetic(model), _Counter() as counter:
        model.step(
            prev,
            model.init_state(batch),
            torch.tensor(t, device=model.device),
            phase=model.schedule(model.sites)[t],
        )
    return counter.count
