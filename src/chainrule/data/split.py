"""The splits a source lacks, cut from its training rows by a seeded permutation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chainrule.data.dataset import SPLITS
from chainrule.errors import DataError


def held_out(rows: int, parts: int) -> int:
    """How many of `rows` each of `parts` held-out splits takes: a tenth, at least one.

    Raises:
        DataError: if no row would be left to train on.
    """
    held = max(1, rows // 10)
    if rows - parts * held < 1:
        raise DataError(f"{rows} rows are too few: {parts + 1} splits need at least one row each")
    return held


def complete_splits(
    splits: dict[str, Tensor], labels: dict[str, Tensor], seed: int
) -> tuple[dict[str, Tensor], dict[str, Tensor], str]:
    """Supply the missing of valid and test from train, a tenth of it each.

    Args:
        splits: "train" and perhaps "valid" and "test" → (N, …).
        labels: the same keys → (N,), or empty.
        seed: of the permutation.

    Returns:
        All three splits, their labels, and how they came about in words.

    Raises:
        DataError: if train has too few rows.
    """
    missing = [split for split in SPLITS if split not in splits]
    if not missing:
        return splits, labels, "its own split"
    rows = len(splits["train"])
    held = held_out(rows, len(missing))
    sizes = [rows - held * len(missing)] + [held] * len(missing)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows))
    parts = dict(zip(["train", *missing], order.split(sizes), strict=True))
    splits = splits | {split: splits["train"][index] for split, index in parts.items()}
    if labels:
        labels = labels | {split: labels["train"][index] for split, index in parts.items()}
    if len(missing) == 2:
        return splits, labels, f"seeded split 80/10/10, seed {seed}"
    return splits, labels, f"its own split, {missing[0]} a seeded tenth of train, seed {seed}"
