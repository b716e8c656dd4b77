"""Recordings: μ-law, folders of them, several labels, sounds that are written, the page of a run."""

import math

import numpy as np
import pytest

from chainrule.data.mu_law import SILENCE, compress, compress_samples, expand, expand_samples

SAMPLES = np.arange(-32768, 32768).astype(np.int16)


# μ-law


def test_mu_law_is_the_formula_at_every_sample():
    expected = []
    for a in range(-32768, 32768):
        x = a / 32768
        f = math.copysign(math.log(1 + 255 * abs(x)) / math.log(256), x)
        expected.append(math.floor((f + 1) / 2 * 255 + 0.5))
    levels = compress_samples(SAMPLES)
    assert levels.dtype == np.uint8 and levels.tolist() == expected
    assert np.array_equal(compress(SAMPLES / 32768), levels)


def test_the_inverse_is_the_formula_at_every_level():
    for level, amplitude, sample in zip(
        range(256), expand(np.arange(256)), expand_samples(np.arange(256)), strict=True
    ):
        y = 2 * level / 255 - 1
        expected = math.copysign((256 ** abs(y) - 1) / 255, y)
        assert amplitude == pytest.approx(expected, rel=1e-12)
        assert sample == min(round(expected * 32768), 32767)


def test_mu_law_comes_back():
    levels = np.arange(256)
    assert np.array_equal(compress(expand(levels)), levels)
    assert np.array_equal(compress_samples(expand_samples(levels)), levels)
    error = np.abs(expand_samples(compress_samples(SAMPLES)).astype(int) - SAMPLES)
    # A level is (1 + 255 |x|) ln 256 / 255 · 2 / 255 wide, so half of it from its middle at most, and a rounding.
    slope = (1 + 255 * np.abs(SAMPLES / 32768)) * math.log(256) / 255
    assert (error <= 32768 * slope / 255 * 1.03 + 1).all()


def test_mu_law_is_monotone_and_clips():
    levels = compress_samples(SAMPLES).astype(int)
    assert (np.diff(levels) >= 0).all() and set(levels) == set(range(256))
    assert (np.diff(expand(np.arange(256))) > 0).all()
    assert compress([-7.0, -1.0, 1.0, 7.0]).tolist() == [0, 0, 255, 255]
    assert expand_samples([0, 255]).tolist() == [-32768, 32767]


def test_silence():
    assert compress(0.0) == compress_samples(0) == SILENCE == 128
    assert expand_samples(128) == 3
