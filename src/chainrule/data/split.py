"""The splits a source lacks, cut from its training rows by a seeded permutation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.data.dataset import SPLITS
from chainrule.data.large.stored import Stored
from chainrule.domain import Domain
from chainrule.errors import DataError

HELD = 100_000  # items at most of valid and of test, where these are cut from items in files


def held_out(rows: int, parts: int) -> int:
    """How many of `rows` each of `parts` held-out splits takes: a tenth, at least one.

    Raises:
        DataError: if no row would be left to train on.
    """
    held = max(1, rows // 10)
    if rows - parts * held < 1:
        raise DataError(f"{rows} rows are too few: {parts + 1} splits need at least one row each")
    return held


def cut_streams(
    streams: dict[str, list[np.ndarray]], labels: dict[str, Tensor], domain: Domain, seed: int
) -> tuple[dict[str, list[np.ndarray]], dict[str, Tensor], str]:
    """Supply the missing of valid and test: whole sequences of train, or the ends of each where there are too few.

    A sequence that is too short to be cut is one to train on.

    Args:
        streams: "train" and perhaps "valid" and "test" → sequences (T,) or (T, K).
        labels: the same keys → of each sequence, or empty.
        domain: of the windows.
        seed: of the permutation.

    Returns:
        All three splits, their labels, and how they came about in words.

    Raises:
        DataError: if no split of a window each can be cut.
    """
    missing = [split for split in SPLITS if split not in streams]
    parts = streams["train"]
    if missing and len(parts) < len(missing) + 1:
        kept: list[np.ndarray] = []
        held: dict[str, list[np.ndarray]] = {split: [] for split in missing}
        cut: list[int] = []
        least = domain.steps if domain.lengths == "fixed" else 1
        if max(map(len, parts)) < (len(missing) + 1) * least:
            raise DataError(
                f"{max(map(len, parts))} steps are too few to train on: {len(missing) + 1} splits need a window of "
                f"{least} each; name a shorter window with --domain"
            )
        for i, part in enumerate(parts):
            if len(part) < (len(missing) + 1) * least:
                kept.append(part)
                continue
            cut.append(i)
            size = max(held_out(max(len(part), len(missing) + 1), len(missing)), least)
            cuts = [0, *(len(part) - size * n for n in range(len(missing), 0, -1)), len(part)]
            rest, *ends = [part[first:last] for first, last in pairwise(cuts)]
            kept.append(rest)
            for split, end in zip(missing, ends, strict=True):
                held[split].append(end)
        sizes = "/".join(f"{sum(map(len, own))}" for own in (kept, *held.values()))
        how = f"{' and '.join(missing)} are cut off the end, {sizes} steps"
        return (
            streams | {"train": kept} | held,
            labels | dict.fromkeys(missing, labels["train"][cut]) if labels else {},
            how,
        )
    places = {split: torch.arange(len(own)) for split, own in streams.items()}
    chosen, labels, how = complete_splits(places, labels, seed)
    return (
        {split: [streams.get(split, parts)[i] for i in index.tolist()] for split, index in chosen.items()},
        labels,
        how,
    )


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
    stored = isinstance(splits["train"], Stored)
    if stored:
        held = min(held, HELD)
    sizes = [rows - held * len(missing)] + [held] * len(missing)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows))
    parts = dict(zip(["train", *missing], order.split(sizes), strict=True))
    if stored:
        parts = {split: index.sort().values for split, index in parts.items()}  # as they lie in their files
    train: Any = splits["train"]
    splits = splits | {
        split: train.only(index.numpy()) if stored else train[index] for split, index in parts.items()
    }
    if labels:
        labels = labels | {split: labels["train"][index] for split, index in parts.items()}
    if len(missing) == 2:
        how = f"seeded split 80/10/10, seed {seed}"
        return splits, labels, f"{held:,} random items each of valid and test, seed {seed}" if stored else how
    return splits, labels, f"its own split, {missing[0]} a seeded tenth of train, seed {seed}"
