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
    """Steps of AdamW with bf16 autocast, eager and compiled, at growing batches; a record after each."""
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
        x = items(TRAINED[name].domain, growth * BATCHES[name]).to(setting.device)
        loss = loss_of(model, "bf16")
        for way in ("eager",) if setting.shrink else ("eager", "compiled"):
            step = training_step(model, torch.compile(loss) if way == "compiled" else loss)
            try:
                seconds = setting.time(partial(step, x))
            except Exception as reason:  # out of memory, or not compiled
                record["absent"][f"{way}, batch {len(x)}"] = f"{type(reason).__name__}: {str(reason)[:300]}"
                continue
            rate = len(x) / seconds
            of_peak = rate * flops / peak["flops"]
            record["rows"].append(
                {
                    "way": way,
                    "batch": len(x),
                    "seconds": seconds,
                    "items_per_second": rate,
                    "of_peak": of_peak,
                }
            )
            record["best_of_peak"] = max(row["of_peak"] for row in record["rows"])
            yield record
    yield record
