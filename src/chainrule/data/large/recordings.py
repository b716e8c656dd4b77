"""Recordings that stay in their files: windows are decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from chainrule.data.conform import conform_stream
from chainrule.data.large.stored import Steps
from chainrule.data.pcm import to_levels
from chainrule.data.readers.sound import read_frames
from chainrule.domain import Domain


@dataclass(frozen=True)
class Recording:
    """Samples of a sound file.

    Attributes:
        path: of the file.
        first: the first of them.
        frames: how many.
        gain: what amplitudes are multiplied by.
    """

    path: Path
    first: int
    frames: int
    gain: float = 1.0

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, part: slice) -> Recording:
        first, last, _ = part.indices(self.frames)
        return replace(self, first=self.first + first, frames=max(0, last - first))

    def read(self, start: int, frames: int) -> np.ndarray:
        """Samples (T,) int16."""
        return read_frames(self.path, self.first + start, frames, self.gain)


class Recorded(Steps):
    """The levels (M,) of recordings one after another, as `Streams` reads them.

    Args:
        recordings: in order.
        domain: of windows.
    """

    def __init__(self, recordings: Sequence[Recording], domain: Domain) -> None:
        self.recordings, self.domain = list(recordings), domain
        self.bounds = np.cumsum([0, *map(len, recordings)])
        self.dtype = self._levels(np.zeros(1, np.int16)).dtype

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def __getitem__(self, at: Any) -> Tensor:
        """The levels (n, T) at steps (n, T); a row ends with its recording."""
        x = self.new_empty(*at.shape).zero_()
        for row, steps in zip(x, at.tolist(), strict=True):
            which = int(np.searchsorted(self.bounds, steps[0], side="right")) - 1
            start = steps[0] - int(self.bounds[which])
            n = min(steps[-1] - steps[0] + 1, len(self.recordings[which]) - start)
            row[:n] = self._levels(self.recordings[which].read(start, n))
        return x

    def _levels(self, samples: np.ndarray) -> Tensor:
        return conform_stream(to_levels(samples, self.domain), self.domain)
