"""μ-law: amplitudes as 256 levels that are narrow near silence and wide where it is loud."""

from __future__ import annotations

import numpy as np

LEVELS = 256
SILENCE = 128  # the level of 0; it comes back as 2.8 of 32768
FULL = 1 << 15  # a 16-bit sample of amplitude 1


def compress(amplitudes: np.ndarray) -> np.ndarray:
    """⌊(f + 1) / 2 · 255 + ½⌋ with f = sign(x) ln(1 + 255 |x|) / ln 256.

    Args:
        amplitudes: x of any shape; what lies outside [-1, 1] is clipped.

    Returns:
        Levels 0 … 255, uint8.

    References:
        ITU-T G.711 (1988); van den Oord et al. (2016), "WaveNet", §2.2, https://arxiv.org/abs/1609.03499
    """
    x = np.clip(np.asarray(amplitudes, np.float64), -1.0, 1.0)
    f = np.sign(x) * np.log1p((LEVELS - 1) * np.abs(x)) / np.log(LEVELS)
    return np.floor((f + 1) / 2 * (LEVELS - 1) + 0.5).astype(np.uint8)


def expand(levels: np.ndarray) -> np.ndarray:
    """sign(y) (256^|y| - 1) / 255 with y = 2 · level / 255 - 1: the amplitudes on [-1, 1], float64."""
    y = 2 * np.asarray(levels, np.float64) / (LEVELS - 1) - 1
    return np.sign(y) * (LEVELS ** np.abs(y) - 1) / (LEVELS - 1)


def compress_samples(samples: np.ndarray) -> np.ndarray:
    """16-bit samples -32768 … 32767 → levels, uint8."""
    table = compress(np.arange(-FULL, FULL) / FULL)
    return table[np.asarray(samples).astype(np.int64) + FULL]


def expand_samples(levels: np.ndarray) -> np.ndarray:
    """Levels → the nearest 16-bit samples, int16; the loudest, 32768, is clipped to 32767."""
    samples = np.rint(expand(np.arange(LEVELS)) * FULL).clip(-FULL, FULL - 1).astype(np.int16)
    return samples[np.asarray(levels)]
