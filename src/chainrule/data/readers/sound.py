"""Sound files ↔ 16-bit samples, and samples at another rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.limits import check_size
from chainrule.data.raw import reading
from chainrule.data.readers.intact import check_intact
from chainrule.domain.mu_law import FULL
from chainrule.errors import DataError

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif")
WRITTEN = (".wav", ".flac")  # those that keep samples as they are
BLOCK = 1 << 20  # numbers that are decoded at once
CANCELLED = 0.01  # share of the channels' power that their mean must keep
EXACT = ("PCM_16", "PCM_U8", "PCM_S8", "ULAW", "ALAW")  # 16 bits hold each of their samples
WITHIN = (*EXACT, "PCM_24", "PCM_32", "ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32")  # never beyond ±1


class Header(NamedTuple):
    """The header of a sound file."""

    rate: int
    channels: int
    frames: int
    subtype: str


class Sound(NamedTuple):
    """One channel of 16 bits.

    Attributes:
        samples: (T,) int16.
        rate: in Hz.
        clipped: how many of them were beyond full scale.
        cancelled: whether the channels are each other's opposites, so that the first was taken and not their mean.
    """

    samples: np.ndarray
    rate: int
    clipped: int = 0
    cancelled: bool = False


def read_header(path: Path) -> Header:
    """Read the header of a file without decoding its samples.

    Raises:
        DataError: if it is no readable sound.
    """
    with _opened(path) as file:
        return Header(file.samplerate, file.channels, file.frames, file.subtype)


def read_sound(path: Path, rate: int | None = None, gain: float = 1.0) -> Sound:
    """Read a file as one channel, the mean of those it has.

    Args:
        path: of a file with one of the suffixes.
        rate: Hz to resample to; None keeps the file's own.
        gain: by which amplitudes are multiplied.

    Raises:
        DataError: if it is unreadable, cut short, or too large for memory, or holds no samples or some not finite.
    """
    amplitudes, own, cancelled = _decoded(path)
    chosen = rate or own
    check_size(str(path), len(amplitudes) * 6 * max(1, chosen // own))
    samples, clipped = _as_samples(_resampled(amplitudes * np.float32(gain), own, chosen))
    return Sound(samples, chosen, clipped, cancelled)


def read_frames(path: Path, first: int, frames: int, gain: float = 1.0) -> np.ndarray:
    """Samples (frames,) int16 of a file, from one on; the mean of its channels.

    Raises:
        DataError: if it is unreadable, or ends before.
    """
    with _opened(path) as file:
        file.seek(first)
        block = file.read(frames, dtype="float64", always_2d=True)
    if len(block) < frames:
        raise DataError(
            f"{path}: expected {first + frames:,} samples, as its header says, found {first + len(block):,}"
        )
    return _as_samples((sum(block.T) / block.shape[1]).astype(np.float32) * np.float32(gain))[0]


def peak(path: Path) -> float:
    """The largest amplitude of a file; 1 is full scale.

    Raises:
        DataError: as `read_sound`.
    """
    return float(np.abs(_decoded(path)[0]).max())


def resample(samples: np.ndarray, rate: int, new: int) -> Sound:
    """Samples (T,) int16 at one rate → about T · new / rate of them at another, in Hz."""
    if new == rate:
        return Sound(samples, rate)
    resampled, clipped = _as_samples(_resampled((samples / FULL).astype(np.float32), rate, new))
    return Sound(resampled, new, clipped)


def write_sound(file: Path | BytesIO, samples: np.ndarray, rate: int, ending: str = ".wav") -> None:
    """Write samples (T,) int16 at a rate in Hz; the suffix, .wav or .flac, selects the format."""
    with sound_writer(file, rate, ending) as write:
        write(samples)


@contextmanager
def sound_writer(
    file: Path | BytesIO, rate: int, ending: str = ".wav"
) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends samples (n,) int16, so that a sound need not be in memory as a whole.

    Raises:
        OSError: if it cannot be written, as on a full disk.
    """
    import soundfile

    try:
        with soundfile.SoundFile(file, "w", rate, 1, "PCM_16", format=ending.removeprefix(".")) as opened:
            yield opened.write
    except soundfile.SoundFileError as error:
        raise OSError(f"{ending}: {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An open `soundfile.SoundFile`; its errors name the file and the way out."""
    import soundfile  # loads a library, and is only needed here

    try:
        # Opened twice, since the system says better than the library why a file cannot be.
        with reading(str(path)), path.open("rb"), soundfile.SoundFile(path) as file:
            yield file
    except DataError as error:
        cause = error.__cause__
        if not isinstance(cause, soundfile.LibsndfileError):
            raise
        reason = cause.error_string.rstrip(".")
        raise DataError(
            f"{path}: is damaged, or not a sound of a known format ({reason}); convert it to .wav or .flac"
        ) from cause


def _decoded(path: Path) -> tuple[np.ndarray, int, bool]:
    """Amplitudes (T,) float32, their rate, and whether they are the first channel since the channels cancel."""
    means: list[np.ndarray] = []
    firsts: list[np.ndarray] = []
    count, kept, power = 0, 0.0, 0.0
    with _opened(path) as file:
        several = file.channels > 1
        # The header is not trusted: memory grows with what is there.
        while len(block := file.read(max(1, BLOCK // file.channels), dtype="float64", always_2d=True)):
            with np.errstate(over="ignore", invalid="ignore"):
                # By channels: numpy is slow to average along so short an axis.
                mean = (sum(block.T) / file.channels).astype(np.float32)
            if not np.isfinite(mean).all():
                at = int(np.isfinite(mean).argmin())
                raise DataError(f"{path}: sample {count + at} is not finite")
            count += len(block)
            check_size(str(path), count * (8 if several else 4))
            means.append(mean)
            if several:
                firsts.append(block[:, 0].astype(np.float32))
                kept, power = (
                    kept + float(np.vdot(mean, mean)),
                    power + float(np.vdot(block, block)) / file.channels,
                )
        check_intact(path, file, count)
        own = file.samplerate
    if not count:
        raise DataError(f"{path}: holds no samples")
    cancelled = kept < CANCELLED * power
    return np.concatenate(firsts if cancelled else means), own, cancelled


def _resampled(amplitudes: np.ndarray, rate: int, new: int) -> np.ndarray:
    import soxr

    return amplitudes if new == rate else soxr.resample(amplitudes, rate, new)


def _as_samples(amplitudes: np.ndarray) -> tuple[np.ndarray, int]:
    """As int16, and how many of them were beyond full scale."""
    scaled = np.rint(amplitudes * FULL)
    clipped = int((np.abs(scaled) > FULL).sum())  # +1 is full scale, though samples end before it
    return scaled.clip(-FULL, FULL - 1).astype(np.int16), clipped
