"""Piano rolls as sound."""

import numpy as np
import pytest
import torch

from chainrule.errors import ChainruleError
from chainrule.report.tones import RATE, tones

A4 = 48  # 440 Hz


def roll(*steps):
    x = torch.zeros(len(steps), 88, dtype=torch.int64)
    for t, keys in enumerate(steps):
        x[t, list(keys)] = 1
    return x


def test_a_key_has_its_pitch():
    sound = tones(roll({A4}, {A4})).astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(np.fft.rfftfreq(len(sound), 1 / RATE)[spectrum.argmax()] - 440) < 1


def test_steps_have_their_times():
    sound = tones(roll((), {A4}, ()), tempo=60)  # a second each
    loud = np.flatnonzero(sound)
    assert RATE <= loud[0] < RATE + 10
    assert 2 * RATE - 10 < loud[-1] <= 2 * RATE
    assert abs(sound).max() == 16384


def test_silence_is_silent():
    assert not tones(roll((), ())).any()


def test_a_bad_tempo_is_refused():
    with pytest.raises(ChainruleError, match="tempo"):
        tones(roll({A4}), tempo=0)
