"""Log-mel frames of a recording: how loud each band of frequencies is, one number per band for every `hop` samples."""

from __future__ import annotations

import numpy as np
import torch

from chainrule.domain.mu_law import FULL
from chainrule.errors import DataError

SPAN = 4  # hops that a window is long
QUIETEST = -100.0  # dB of a sine of full scale; a step of 16 bits is -90


def mel_frames(samples: np.ndarray, rate: int, bands: int, hop: int) -> np.ndarray:
    """1 + dB / 50 of the power in each band: about 1 for a sine of full scale, -1 for silence.

    Frame j is of samples j·hop … (j + 1)·hop - 1, and reads the 4·hop samples around them under a Hann
    window: also samples after its own, as is usual in vocoders.

    Args:
        samples: (T,) int16; silence is put around them.
        rate: in Hz.
        bands: M.
        hop: samples a frame.

    Returns:
        (⌈T / hop⌉, M) float32.

    Raises:
        DataError: if a band is narrower than the window can resolve.

    References:
        Davis, Mermelstein (1980), "Comparison of parametric representations for monosyllabic word recognition", IEEE
        Transactions on Acoustics, Speech and Signal Processing 28; as the condition of a WaveNet: Shen et al. (2018),
        "Natural TTS synthesis", https://arxiv.org/abs/1712.05884, §2
    """
    size, count = SPAN * hop, -(-len(samples) // hop)
    left = (size - hop) // 2
    x = torch.zeros((count - 1) * hop + size, dtype=torch.float64)
    x[left : left + len(samples)] = torch.from_numpy(samples / FULL)
    window = torch.hann_window(size, dtype=x.dtype)
    spectrum = torch.stft(x, size, hop, window=window, center=False, return_complex=True)
    power = (spectrum.abs().numpy() / (window.sum().item() / 2)) ** 2
    decibels = 10 * np.log10(np.maximum(mel_filters(rate, size, bands) @ power, 10 ** (QUIETEST / 10)))
    return (1 + decibels.T / 50).astype(np.float32)


def mel_filters(rate: int, size: int, bands: int) -> np.ndarray:
    """Triangles of height 1, evenly spaced on the mel scale 2595 log₁₀(1 + f / 700) up to rate / 2.

    Args:
        rate: in Hz.
        size: samples of the window whose spectrum they weigh.
        bands: M.

    Returns:
        (M, ⌊size / 2⌋ + 1): each one's weights of the frequencies k · rate / size.

    Raises:
        DataError: if one weighs no frequency.
    """
    frequencies = np.arange(size // 2 + 1) * rate / size
    mels = np.linspace(0, 2595 * np.log10(1 + rate / 1400), bands + 2)
    corners = 700 * (10 ** (mels / 2595) - 1)
    low, middle, high = (corners[i : i + bands, None] for i in range(3))
    rise, fall = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    filters = np.maximum(np.minimum(rise, fall), 0)
    if not filters.any(1).all():
        raise DataError(
            f"features: {bands} bands are too narrow for windows of {size} samples at {rate} Hz; "
            "use fewer bands, or a longer hop"
        )
    return filters
