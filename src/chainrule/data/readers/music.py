"""Piano rolls: pieces of polyphonic music, 88 keys a time step."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.dataset import SPLITS
from chainrule.data.raw import Raw, reading
from chainrule.domain import Domain

KEYS, LOWEST = 88, 21  # column k is MIDI note 21 + k


def read_music(path: Path, window: int) -> Raw:
    """The pieces of a file of arrays `train`, `valid`, `test` (steps, 88) and `train_lengths`, … (pieces,).

    Args:
        path: the .npz file.
        window: steps of an item; a shorter piece is an item that ends earlier, of a longer one there are several.
    """
    with reading(str(path)), np.load(path, allow_pickle=False) as file:
        streams = {split: np.split(file[split], np.cumsum(file[f"{split}_lengths"])[:-1]) for split in SPLITS}
    return Raw(
        path.stem,
        str(path),
        streams=streams,
        domain=Domain.sequence(window, 2, width=KEYS, lengths="given"),
        split="its own split",
    )
