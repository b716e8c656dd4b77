"""Likelihoods on a device: recipes trained for as long as there is time, and gone on with the next time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainrule.bench.gpu.setting import Setting
from chainrule.errors import DataError
from chainrule.reproduce import reproduce
from chainrule.run_files import METRICS
from chainrule.training.run import best_of, read_metrics

CHECKPOINT_MINUTES = 1.0  # what is lost at most where the time ends
# Longest value first.
ORDER = (
    "binarized-mnist/gated-pixelcnn",
    "binarized-mnist/pixelcnn-plus-plus",
    "binarized-mnist/diagonal-bilstm",
    "cifar-10/pixelcnn",
    "cifar-10/gated-pixelcnn",
    "cifar-10/pixelcnn-plus-plus",
    "binarized-mnist/eonade",
    "binarized-mnist/made-committee",
    "fsdd-16-bit/wavenet",
    "music/jsb-tcn-nade",
    "tinyshakespeare/transformer-gpu",
)
SHRUNK = ("digits/causal-conv1d", "cifar-10/pixelcnn")


def names(shrink: bool) -> list[str]:
    """TABLE/RECIPE, in order."""
    return list(SHRUNK if shrink else ORDER)


def measure(name: str, setting: Setting) -> Iterator[dict[str, Any]]:
    """Train and evaluate one recipe; its run stays in `setting.runs`, and is gone on with if it is there."""
    table, recipe = name.split("/")
    small: dict[str, Any] = {"items": 8, "epochs": 1} if setting.shrink else {}
    try:
        yield from reproduce(
            table,
            only=recipe,
            data_dir=setting.data,
            device=setting.device,
            progress=False,
            runs=setting.runs,
            checkpoint_minutes=CHECKPOINT_MINUTES,
            **small,
        )
    except DataError as missing:
        yield {"status": "skipped", "reason": str(missing)}
    except KeyboardInterrupt:
        epochs = read_metrics(setting.runs / table / recipe / METRICS)
        yield {"status": "unfinished", "best": best_of(epochs), "last": epochs[-1] if epochs else None}
