"""Sound files ↔ 16-bit samples, and samples at another rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np

from chainrule.data.mu_law import FULL
from chainrule.data.raw import reading
from chainrule.errors import DataError

SUFFIXES = (".wav", ".flac")


def read_sound(path: Path, rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read a file as one channel, the mean of those it has.

    Args:
        path: .wav or .flac, of integers or of floats on [-1, 1].
        rate: Hz to resample to; None keeps the file's own.

    Returns:
        The samples (T,) int16, and their rate in Hz.

    Raises:
        DataError: if it is unreadable, or holds no samples or some that are not finite.
    """
    import soundfile  # loads a library, and is only needed here

    with reading(str(path)):
        channels, own = soundfile.read(path, dtype="float64", always_2d=True)
        if not len(channels):
            raise DataError(f"{path}: holds no samples")
        amplitudes = channels.mean(1)
        if not np.isfinite(amplitudes).all():
            raise DataError(f"{path}: sample {np.isfinite(amplitudes).argmin()} is not finite")
    chosen = rate or own
    return _as_samples(_resampled(amplitudes, own, chosen)), chosen


def resample(samples: np.ndarray, rate: int, new: int) -> np.ndarray:
    """Samples (T,) int16 at one rate → about T · new / rate of them at another, in Hz."""
    return samples if new == rate else _as_samples(_resampled(samples / FULL, rate, new))


def write_sound(file: Path | BytesIO, samples: np.ndarray, rate: int, ending: str = ".wav") -> None:
    """Write samples (T,) int16 at a rate in Hz; the ending, .wav or .flac, says how."""
    with sound_writer(file, rate, ending) as write:
        write(samples)


@contextmanager
def sound_writer(
    file: Path | BytesIO, rate: int, ending: str = ".wav"
) -> Iterator[Callable[[np.ndarray], None]]:
    """What writes samples (n,) int16 behind those before, so that a sound need not be in memory as a whole."""
    import soundfile

    with soundfile.SoundFile(file, "w", rate, 1, "PCM_16", format=ending.removeprefix(".")) as opened:
        yield opened.write


def _resampled(amplitudes: np.ndarray, rate: int, new: int) -> np.ndarray:
    import soxr

    return amplitudes if new == rate else soxr.resample(amplitudes, rate, new)


def _as_samples(amplitudes: np.ndarray) -> np.ndarray:
    return np.rint(amplitudes * FULL).clip(-FULL, FULL - 1).astype(np.int16)
