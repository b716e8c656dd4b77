"""Training on a device: items a second of each family, beside the peak of its bf16 products."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from chainrule.bench.gpu.setting import Setting, bf16_peak
from chainrule.bench.nets import TRAINED
from chainrule.bench.training import BATCHES, build, items, loss_of, pass_flops, training_step

GROWTH = (1, 4, 16)  # of each net's batch on a CPU: a GPU wants more at once
ORDER = (
    "transformer",
    "gated-pixelcnn",
    "pixelcnn-plus-plus",
    "wavenet",
    "tcn",
    "made",
    "maf",
    "nsf",
    "nade",
)
SHRUNK = ("maf",)


def names(shrink: bool) -> list[str]:
    """The nets, in order."""
    return list(SHRUNK if shrink else ORDER)


def measure(name: str, setting: Setting) -> Iterator[dict[str, Any]]:
    """Steps of AdamW with bf16 autocast at growing batches, and compiled at the best one; a record after each."""
    model = build(name)
    flops, peak = 3 * pass_flops(model), bf16_peak(setting)
    model = model.to(setting.device)
    record: dict[str, Any] = {
        "about": TRAINED[name].about,
        "flops_per_item": flops,
        "peak": peak,
        "rows": [],
        "absent": {},
    }
    for growth in GROWTH[:1] if setting.shrink else GROWTH:
        yield _add(record, "eager", model, growth * BATCHES[name], setting)
    if record["rows"] and not setting.shrink:
        best = max(record["rows"], key=lambda row: row["of_peak"])
        yield _add(record, "compiled", model, best["batch"], setting)


def _add(record: dict[str, Any], way: str, model: Any, batch: int, setting: Setting) -> dict[str, Any]:
    """A row of the record, or why it is absent: there is no memory for the batch, or it cannot be compiled."""
    x, loss = items(model.domain, batch).to(setting.device), loss_of(model, "bf16")
    step = training_step(model, torch.compile(loss) if way == "compiled" else loss)
    try:
        seconds = setting.time(partial(step, x))
    except Exception as reason:
        record["absent"][f"{way}, batch {batch}"] = f"{type(reason).__name__}: {str(reason)[:300]}"
        return record
    row = {"way": way, "batch": batch, "seconds": seconds, "items_per_second": batch / seconds}
    row["of_peak"] = record["flops_per_item"] * row["items_per_second"] / record["peak"]["flops"]
    record["rows"].append(row)
    record["best_of_peak"] = max(row["of_peak"] for row in record["rows"])
    return record
