"""CIFAR-10, kept as sheets of 100×100 images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.raw import Raw, reading
from chainrule.data.readers.opened import opened
from chainrule.domain import Domain

SIDE, ROW, VALID = 32, 100, 5000
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# SHA-256 of the sheets; the labels' file is the set's own.
SHEETS = {
    "cifar10/train_1.png": "ee3c0cd76509228a3c5866f01be7462f2ba0f750bad0587641e76322e1c5563d",
    "cifar10/train_2.png": "53c89e7975cc4c051cf2de9dbb0a33d875685a831b0b4d5ed3f7a619008242ff",
    "cifar10/train_3.png": "5ecbb08a6a29c39fc9c35e67f0b43774ba340536785730139b4440f104c7d81b",
    "cifar10/train_4.png": "ec94f4bed89ef3d81caf044635599990f84683eabd534de33298b219a3359111",
    "cifar10/train_5.png": "45be8b140d56d3d900de4699149481d84d2ebebea4250b6ad534698b1237df22",
    "cifar10/test.png": "19da11909002589de9d684a8c2fdca90a4f81fc041fe0d360cbf32b220e8b92b",
}


def read_cifar(labels: Path) -> Raw:
    """The set, given the path of its labels; the sheets lie beside it. The last 5000 training images are valid.

    Raises:
        DataError: if a sheet or the labels are not readable.
    """
    *train, test = (_sheet(labels.parent / Path(file).name) for file in SHEETS)
    with reading(str(labels)), np.load(labels, allow_pickle=False) as file:
        known = {split: file[f"y_{split}"].astype(np.int64) for split in ("train", "test")}
    raw = Raw("cifar-10", str(labels.parent), {"train": np.concatenate(train), "test": test}, known)
    for values in (raw.arrays, raw.labels):
        values["train"], values["valid"] = np.split(values["train"], [-VALID])
    raw.domain, raw.class_names = Domain.image(3, SIDE, SIDE), CLASSES
    raw.split = f"train and test as given, the last {VALID} training images are valid"
    return raw


def _sheet(path: Path) -> np.ndarray:
    """(3200, 3200, 3) → (10000, 3, 32, 32) uint8."""
    with opened(str(path), path) as image:
        pixels = np.asarray(image.convert("RGB"))
    tiles = pixels.reshape(ROW, SIDE, ROW, SIDE, 3).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(tiles.reshape(-1, 3, SIDE, SIDE))
