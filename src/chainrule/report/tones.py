"""Piano rolls as sound: each key that is down is a decaying tone with some harmonics."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from chainrule.data.readers.music import LOWEST
from chainrule.domain.mu_law import FULL
from chainrule.report.midi import TEMPO, check_tempo

RATE = 22050  # Hz
HARMONICS = (1.0, 0.4, 0.2, 0.1)  # amplitude of each multiple of the fundamental
DECAY = 1.5  # seconds in which a tone falls to 1/e
ATTACK, RELEASE = 0.01, 0.05  # seconds


def tones(roll: Tensor, *, tempo: float = TEMPO, resolution: int = 1) -> np.ndarray:
    """Samples (N,) int16 at `RATE` Hz of a piece, the loudest at half of full scale.

    Args:
        roll: (T, 88), 1 where a key is down; -1 after the end of the piece. A key that stays down is one tone.
        tempo: quarter notes a minute.
        resolution: steps per quarter note.

    Raises:
        ChainruleError: on a tempo that is none.
    """
    check_tempo(tempo)
    down = (roll.cpu().numpy() > 0).astype(np.int8)
    step = 60 / tempo / resolution * RATE  # samples
    sound = np.zeros(int(np.ceil(len(down) * step)) + 1)
    changes = np.diff(np.pad(down, ((1, 1), (0, 0))), axis=0)
    for key in np.flatnonzero(down.any(0)):
        pitch = 440.0 * 2.0 ** ((LOWEST + key - 69) / 12)
        for begin, end in zip(*(np.flatnonzero(changes[:, key] == way) for way in (1, -1)), strict=True):
            first, last = int(begin * step), max(int(end * step), int(begin * step) + 1)
            t = np.arange(last - first) / RATE
            tone = sum(
                strength * np.sin(2 * np.pi * k * pitch * t)
                for k, strength in enumerate(HARMONICS, 1)
                if k * pitch < RATE / 2
            )
            fade = np.minimum(np.minimum(t / ATTACK, (t[-1] - t) / RELEASE), 1)
            sound[first:last] += tone * fade * np.exp(-t / DECAY)
    loudest = np.abs(sound).max(initial=0)
    return np.rint(sound / (loudest or 1) * FULL / 2).astype(np.int16)
