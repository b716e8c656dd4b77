"""Sounds on the page of a run: spectrograms, players, and how far back the model hears."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from chainrule.data import Data
from chainrule.data.pcm import to_samples
from chainrule.data.readers.sound import write_sound
from chainrule.domain.mu_law import FULL
from chainrule.models import Model
from chainrule.printable import drawn
from chainrule.report.curves import to_png
from chainrule.report.pictures import as_source

SHOWN = 6  # sounds of each kind
LOOKED_AT = 1000  # windows that they are chosen from: there may be very many, in their files
FRAME, HOP = 0.032, 0.004  # seconds, rounded to samples
QUIETEST = -90  # dB


def show_sounds(model: Model, data: Data) -> dict:
    """Samples of the model beside windows of the validation split, with whose labels or frames they are drawn."""
    assert data.rate is not None
    first = data.valid[:LOOKED_AT]
    long = (data.domain.counted(first).double().mean(1) >= 0.5).nonzero()[:, 0]
    candidates = long if len(long) >= SHOWN else torch.arange(len(first))
    chosen = candidates[torch.linspace(0, len(candidates) - 1, min(SHOWN, len(candidates))).round().long()]
    conds = data.cond("valid") if model.conditional else None
    cond = None if conds is None else conds[chosen].to(model.device)
    labels = data.labels["valid"][chosen] if "valid" in data.labels else None
    drawn = model.sample(len(chosen), cond, generator=torch.Generator().manual_seed(0))
    real = data.valid[chosen]
    if data.frames and cond is not None:
        drawn = torch.where(real >= 0, drawn.cpu(), -1)  # after the end of a recording it has no features
    pairs = [[_samples(item, data) for item in pair] for pair in zip(drawn, real, strict=True)]
    names = _names(data, labels if model.conditional else None, len(chosen))
    players = ([as_source(wav_file(sound, data.rate), "audio/wav") for sound in pair] for pair in pairs)
    return {
        "spectrograms": as_source(draw_spectrograms(pairs, names, data.rate)),
        "sounds": [(name, *pair) for name, pair in zip(names, players, strict=True)],
        "labelled": ", ".join(data.label_names) if cond is not None else "",
        "framed": cond is not None and bool(data.frames),
        "reach": model.factorisation.network.receptive_field,
        "window": data.domain.steps,
        "rate": data.rate,
    }


def draw_spectrograms(pairs: Sequence[Sequence[np.ndarray]], names: Sequence[str], rate: int) -> bytes:
    """A PNG: a row for each pair of a sample and a recording, power against time and frequency, shades alike.

    Args:
        pairs: samples (T,) int16 of both.
        names: of each pair.
        rate: in Hz.
    """
    figure = Figure(figsize=(8, 0.7 + 1.25 * len(pairs)), layout="constrained")
    panels = figure.subplots(len(pairs), 2, squeeze=False, sharex=True, sharey=True)
    longest = max(len(sound) for pair in pairs for sound in pair) / rate
    image: Any = None
    for row, pair, name in zip(panels, pairs, names, strict=True):
        for axes, sound in zip(row, pair, strict=True):
            power = spectrogram(sound, rate)
            extent = 0, len(sound) / rate * 1000, 0, rate / 2000
            image = axes.imshow(
                power,
                origin="lower",
                aspect="auto",
                extent=extent,
                vmin=QUIETEST,
                vmax=0,
                cmap="magma",
            )
            axes.tick_params(labelsize=7)
        row[0].set_ylabel("kHz", fontsize=8)
        row[0].set_title(drawn(name, 80), fontsize=8, loc="left")
    for axes, kind in zip(panels[0], ("drawn from the model", "recorded"), strict=True):
        axes.set_title(kind, fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("ms", fontsize=8)
        axes.set_xlim(0, 1000 * longest)
    figure.colorbar(image, ax=panels, label="dB", aspect=60, pad=0.01).ax.tick_params(labelsize=7)
    return to_png(figure)


def spectrogram(sound: np.ndarray, rate: int) -> np.ndarray:
    """Power (frequencies, times) in dB of a sine of full scale, in frames of 32 ms under a Hann window, 4 ms apart.

    Args:
        sound: samples (T,) int16; silence is put around it, so that the frames' middles span it.
        rate: in Hz.
    """
    size, hop = max(2 * round(FRAME * rate / 2), 2), max(round(HOP * rate), 1)
    x = torch.from_numpy(sound / FULL)
    window = torch.hann_window(size, dtype=x.dtype)
    spectrum = torch.stft(x, size, hop, window=window, center=True, pad_mode="constant", return_complex=True)
    power = (spectrum.abs() / (window.sum() / 2)) ** 2
    return (10 * power.clamp(min=10 ** (QUIETEST / 10)).log10()).numpy()


def _samples(item: Tensor, data: Data) -> np.ndarray:
    item = item.cpu().long()
    return to_samples(item[item >= 0].numpy(), data.domain)


def _names(data: Data, labels: Tensor | None, count: int) -> list[str]:
    """The classes of each item, or its number."""
    if labels is None or not data.class_names:
        return [str(number + 1) for number in range(count)]
    classes: Any = list(data.classes.values()) or [data.class_names]
    return [
        ", ".join(str(names[code]) for names, code in zip(classes, codes, strict=True))
        for codes in labels.reshape(count, -1).tolist()
    ]


def wav_file(sound: np.ndarray, rate: int) -> bytes:
    """Samples (T,) int16 at a rate in Hz as the bytes of a .wav."""
    buffer = io.BytesIO()
    write_sound(buffer, sound, rate)
    return buffer.getvalue()
