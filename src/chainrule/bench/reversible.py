"""What reversible blocks cost and save: memory of training against depth, beside ordinary blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from chainrule.bench.saved_memory import peak_saved_bytes
from chainrule.bench.timing import time_interleaved
from chainrule.domain import Domain
from chainrule.layers import Reversible
from chainrule.models import Model, create_model

DOMAIN = Domain.sequence(256, levels=64)
CHANNELS, DEPTHS = 128, (4, 8, 16, 32)
WAYS = {
    "ordinary": "ordinary blocks",
    "kept": "reversible, activations kept",
    "reversible": "reversible",
}
NETS = {"transformer": tuple(WAYS), "revnet": ("kept", "reversible")}  # a RevNet has no other blocks


def build(net: str, depth: int, way: str) -> Model:
    """One of the nets, in training; "kept" and "reversible" are the same function."""
    choice = {} if net == "revnet" else {"reversible": way != "ordinary"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(net, DOMAIN, channels=CHANNELS, depth=depth, **choice)
    for layer in model.modules():
        if isinstance(layer, Reversible):
            layer.recompute = way == "reversible"
    return model.train()


def measure(batch: int, repeats: int, *, tell: Callable[[str], object] = str) -> dict:
    """Forward and backward pass on random symbols, dropout included.

    Args:
        batch: items at once.
        repeats: counted rounds.
        tell: called with what is measured next.
    """
    x = torch.randint(
        DOMAIN.max_levels, (batch, *DOMAIN.event_shape), generator=torch.Generator().manual_seed(0)
    )
    rows = []
    for net in NETS:
        for depth in DEPTHS:
            tell(f"{net} of {depth} blocks")
            rows.append({"net": net, "depth": depth, **_measure(net, depth, x, repeats)})
    return {"about": f"Training on {DOMAIN.steps} symbols, {CHANNELS} channels a stream", "rows": rows}


def _measure(net: str, depth: int, x: Tensor, repeats: int) -> dict[str, Any]:
    models = {way: build(net, depth, way) for way in NETS[net]}

    def loss(model: Model) -> Tensor:
        return model.loss(x).mean()

    def step(model: Model) -> None:
        model.zero_grad()
        loss(model).backward()

    times = time_interleaved({way: partial(step, model) for way, model in models.items()}, repeats)
    return {
        "parameters": {way: sum(p.numel() for p in model.parameters()) for way, model in models.items()},
        "peak_saved_bytes": {
            way: peak_saved_bytes(partial(loss, model), model) for way, model in models.items()
        },
        "seconds": times.medians(),
        "slower": {way: times.ratio("reversible", way) for way in NETS[net] if way != "reversible"},
    }


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a net and depth."""
    rows = []
    for row in record["rows"]:
        saved = (row["peak_saved_bytes"].get(way) for way in WAYS)
        slower = (row["slower"].get(way) for way in ("kept", "ordinary"))
        cells = [
            *("" if size is None else f"{size / 1e6:.1f} MB" for size in saved),
            *("" if ratio is None else f"{ratio:.2f}" for ratio in slower),
        ]
        rows.append([row["net"], f"{row['depth']}", *cells])
    return ["net", "blocks", *WAYS.values(), "time ÷ kept", "time ÷ ordinary"], rows


def notes(record: dict) -> list[str]:
    """How memory grows with depth."""
    found = []
    for net in dict.fromkeys(row["net"] for row in record["rows"]):
        first, *_, last = [row for row in record["rows"] if row["net"] == net]
        kept, reversible = (
            last["peak_saved_bytes"][way] / first["peak_saved_bytes"][way] for way in ("kept", "reversible")
        )
        found.append(
            f"{net}, from {first['depth']} blocks to {last['depth']}: × {reversible:.2f} instead of × {kept:.1f}."
        )
    return found
