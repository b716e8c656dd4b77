"""Recordings given their log-mel frames: the frames, windows that cut them along, and the commands."""

import contextlib
import io
import json

import numpy as np
import pytest
import soundfile
import torch

import chainrule as cr
from chainrule.cli import main
from chainrule.data import Streams, load_data, load_items
from chainrule.data.frames import Frames
from chainrule.data.mel import mel_filters, mel_frames
from chainrule.domain.mu_law import compress_samples
from chainrule.errors import ChainruleError, ConditionError, DataError, DomainError
from chainrule.models.resize import of_length
from chainrule.tasks import resynthesise
from chainrule.tasks.likelihood import step_likelihood
from chainrule.training import Recipe, Run
from chainrule.training.batches import crops
from chainrule.training.ranks import Ranks

RATE, BANDS, HOP = 8000, 12, 16
DOMAIN = "sequence:64:256:given"


def tone(steps, pitch, loud=1.0):
    return np.rint(loud * 32767 * np.sin(2 * np.pi * pitch * np.arange(steps) / RATE)).astype(np.int16)


def call(*arguments, status=0):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([*map(str, arguments), "--device", "cpu"]) == status, err.getvalue()
    return out.getvalue() if status == 0 else err.getvalue().splitlines()[-1]


# Frames


def test_filters_are_triangles_on_the_mel_scale():
    filters = mel_filters(8000, 512, 20)
    peaks = filters.argmax(1) * 8000 / 512
    mels = 2595 * np.log10(1 + peaks / 700)
    assert np.allclose(mels, 2595 * np.log10(1 + 4000 / 700) * np.arange(1, 21) / 21, atol=12)
    # Between the first middle and the last, neighbours add up to 1 at every frequency.
    inside = slice(filters[0].argmax() + 1, filters[-1].argmax())
    assert np.allclose(filters.sum(0)[inside], 1)
    with pytest.raises(DataError, match="400 bands are too narrow for windows of 64 samples"):
        mel_filters(8000, 64, 400)


def test_a_tone_is_loud_in_its_band_and_ten_times_less_is_twenty_decibels():
    filters = mel_filters(RATE, 4 * 128, 40)
    band = 15
    peak = filters[band].argmax()
    pitch = peak * RATE / 512
    loud, soft = (mel_frames(tone(4000, pitch, loud), RATE, 40, 128)[8:-8] for loud in (1.0, 0.1))
    assert (loud.argmax(1) == band).all()
    # Hann's bell has amplitude 1 at the tone's own frequency, and a half at both neighbours.
    height = 1 + 10 * np.log10(filters[band, peak - 1 : peak + 2] @ [0.25, 1, 0.25]) / 50
    assert loud[:, band] == pytest.approx(height, abs=1e-4)
    assert loud[:, band] - soft[:, band] == pytest.approx(20 / 50, abs=1e-3)
    assert (mel_frames(np.zeros(300, np.int16), RATE, 40, 128) == -1).all()


def test_a_frame_looks_at_the_four_hops_around_its_own():
    x = np.zeros(20 * HOP, np.int16)
    silence = mel_frames(x, RATE, 4, HOP)
    for at in (0, 7 * HOP, 8 * HOP - 1, len(x) - 1):
        x[at] = 30000
        changed = (mel_frames(x, RATE, 4, HOP) != silence).any(1).nonzero()[0]
        x[at] = 0
        reach = np.arange(len(silence))
        reach = reach[np.abs(reach * HOP + HOP / 2 - 0.5 - at) < 2 * HOP]
        assert set(changed) <= set(reach) and len(changed) >= len(reach) - 1 and at // HOP in changed
    assert len(mel_frames(x[:1], RATE, 4, HOP)) == 1 and len(mel_frames(x[: HOP + 1], RATE, 4, HOP)) == 2


# Windows


def streams(*lengths):
    """Of each step its number, and of each frame the number of its first step."""
    parts = [1000 * i + torch.arange(n) for i, n in enumerate(lengths)]
    return Streams.of(parts), Frames.of([part[::HOP, None].float() for part in parts], HOP)


@pytest.mark.parametrize("how", ["disjoint", "sliding", "crops"])
def test_frames_are_cut_along_with_the_samples(how):
    domain = cr.Domain.sequence(4 * HOP, 5000, lengths="given")
    plain, frames = streams(150, 3, 64, 100)
    source = Streams(plain.values, plain.bounds, frames=frames)
    if how == "crops":
        x, cond = source.crop(domain, torch.arange(len(source.values)))
        assert x[:, 0].unique().tolist() == [*range(0, 97, 16), 1000, 2000, 3000, 3016, 3032, 3048]
    else:
        windows = source.disjoint(domain) if how == "disjoint" else source.sliding(domain, 2 * HOP)
        x, cond = windows.x, source.cond(windows.stream, windows.start, domain)
    assert cond.shape == (len(x), 1, 4)
    there = x >= 0
    assert there[:, 0].all() and set(x[there].tolist()) == set(source.values.tolist())
    of = x // 1000 * 1000 + x % 1000 // HOP * HOP
    assert torch.equal(of[there], cond[:, 0].repeat_interleave(HOP, dim=1).long()[there])


def test_windows_are_whole_frames(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(999, 440), RATE)
    for domain in ("sequence:60:256:given", "sequence:64:256"):
        with pytest.raises(
            DataError, match="expected windows of given lengths, in whole frames of 16 samples"
        ):
            load_data(tmp_path, domain=domain, features=(BANDS, HOP))
    plain, frames = streams(150)
    source = Streams(plain.values, plain.bounds, frames=frames)
    with pytest.raises(DataError, match="whole frames of 16 steps to be left of 64, got 40"):
        source.sliding(cr.Domain.sequence(64, 200, lengths="given"), 40)
    for wrong in ([3], [0, 16], 4, "ab", [3.0, 16]):
        with pytest.raises(DataError, match=r"features: expected \(bands, samples\) of a frame"):
            load_data(tmp_path, features=wrong)
    (tmp_path / "a.txt").write_text("abc" * 300)
    with pytest.raises(DataError, match="features are for recordings"):
        load_data(tmp_path / "a.txt", features=(BANDS, HOP))


# A model of another length


def test_a_model_of_another_length_has_the_same_conditionals():
    torch.manual_seed(0)
    options = {"channels": 4, "skip": 4, "depth": 3, "features": (2, 3)}
    model = cr.create_model("wavenet", cr.Domain.sequence(6, 5), **options).double().eval()
    longer = of_length(model, 12)
    x, frames = torch.randint(5, (2, 12)), torch.randn(2, 2, 4, dtype=torch.float64)
    with torch.no_grad():
        terms = longer.log_prob(x, frames, reduce=False)
        assert torch.allclose(terms[:, :6], model.log_prob(x[:, :6], frames[:, :, :2], reduce=False))
    with pytest.raises(ConditionError, match=r"floats \(B, 2, 4\)"):
        longer.log_prob(x, frames[:, :, :2])
    with pytest.raises(DomainError, match="depend on the position"):
        of_length(cr.create_model("transformer", cr.Domain.sequence(6, 5), positions="learned"), 12)
    with pytest.raises(DomainError, match="of sequences"):
        of_length(cr.create_model("made", cr.Domain.binary(6)), 12)


# Commands


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken")
    generator = np.random.default_rng(0)
    for i in range(20):
        loud = np.repeat(generator.uniform(0, 0.8, 12), HOP)[: 130 + i]
        samples = np.rint(loud * tone(130 + i, 300 + 100 * i)).astype(np.int16)
        soundfile.write(folder / f"{i:02}.wav", samples, RATE)
    return folder


@pytest.fixture(scope="module")
def run(spoken, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    options = "channels=4", "skip=4", "depth=3", "epochs=2"
    settings = [part for option in options for part in ("--set", option)]
    told = ("--features", BANDS, HOP)
    call("train", "wavenet", "--data", spoken, "--domain", DOMAIN, *told, *settings, "--out", folder)
    return folder


def test_a_run_knows_its_features(run, spoken):
    opened = Run.open(run)
    assert opened.features == [BANDS, HOP] and opened.config["data"]["features"] == [BANDS, HOP]
    data = Recipe.read(run / "config.yaml").load_data()
    assert str(data).endswith("8000 Hz, 12 bands every 16 samples")
    told = json.loads(call("evaluate", run, "--no-baselines", "--json"))
    other = json.loads(call("evaluate", run, "--data", spoken, "--split", "test", "--no-baselines", "--json"))
    assert told == other and told["per_step"]["context"] == 32
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "its sample is drawn with its features" in " ".join(page.split())


def test_training_is_told_the_frames_of_each_window(run):
    """Loud and quiet frames differ: given those of another window, the samples are less likely."""
    opened = Run.open(run)
    data = Recipe.read(run / "config.yaml").load_data()
    (x, cond), *_ = crops(data, 8, seed=0, conditional=True, ranks=Ranks())
    assert cond.shape == (8, BANDS, 4) and len(crops(data, 8, seed=0, ranks=Ranks()).dataset[[0]]) == 1
    first = x[0][x[0] >= 0].tolist()
    whole = data.streams["train"]
    place = next(i for i in range(len(whole.values)) if whole.values[i : i + len(first)].tolist() == first)
    stream = int(torch.searchsorted(whole.bounds, place, right=True)) - 1
    start = torch.tensor([place - int(whole.bounds[stream])])
    assert torch.equal(cond[:1], whole.frames.cut(torch.tensor([stream]), start, 64))
    with torch.no_grad():
        right = step_likelihood(opened.model, whole).nats
        wrong = step_likelihood(
            opened.model, Streams(whole.values, whole.bounds, frames=_reversed(whole.frames))
        ).nats
    assert right != wrong


def _reversed(frames):
    return Frames(frames.values.flip(0), frames.bounds, frames.hop)


def test_samples_are_given_a_recording(run, spoken, tmp_path):
    call("sample", run, "--like", spoken / "03.wav", "-n", 2, "-o", tmp_path / "x.wav")
    sounds = [soundfile.read(tmp_path / f"x-{i}.wav", dtype="int16")[0] for i in range(2)]
    assert [len(sound) for sound in sounds] == [133, 133] and (sounds[0] != sounds[1]).any()
    # The first window is what the model of windows draws, given the first frames.
    model = Run.open(run).model
    samples = soundfile.read(spoken / "03.wav", dtype="int16")[0]
    frames = torch.from_numpy(mel_frames(samples, RATE, BANDS, HOP)).T
    longer = of_length(model, 9 * HOP)
    drawn = longer.sample(2, frames, generator=torch.Generator().manual_seed(0))
    for sound, levels in zip(sounds, drawn, strict=True):
        assert np.array_equal(compress_samples(sound), levels[:133].numpy())
    call("sample", run, "--like", spoken, "-n", 2, "-o", tmp_path / "y.wav")
    lengths = [len(soundfile.read(spoken / f"{i:02}.wav")[0]) for i in range(2)]
    found = [len(soundfile.read(tmp_path / f"y-{i}.wav")[0]) for i in range(2)]
    assert found == lengths


def test_resynthesis_follows_the_frames_and_the_length_of_each(run, spoken):
    opened = Run.open(run)
    recordings = load_items(spoken, opened.reading, split="test")
    frames, lengths = recordings.streams.frames, recordings.streams.lengths.tolist()
    drawn = resynthesise(opened, recordings, [1, 0, 1], generator=torch.Generator().manual_seed(0), part=50)
    x = drawn.whole()
    assert drawn.n == 3 and x.shape == (3, max(lengths[:2]))
    for item, number in zip(x, (1, 0, 1), strict=True):
        assert (item[: lengths[number]] >= 0).all() and (item[lengths[number] :] == -1).all()
    # A single recording is what the model of its length draws, given its frames.
    alone = resynthesise(opened, recordings, [1], generator=torch.Generator().manual_seed(0)).whole()
    cond = frames.values[slice(*frames.bounds.tolist()[1:3])].T
    longer = of_length(opened.model, cond.shape[1] * HOP)
    expected = longer.sample(1, cond, generator=torch.Generator().manual_seed(0))
    assert torch.equal(alone, expected[:, : lengths[1]])
    assert resynthesise(opened, recordings).n == len(lengths)
    with pytest.raises(
        ChainruleError, match=rf"which: expected numbers of recordings in \[0, {len(lengths)}\)"
    ):
        resynthesise(opened, recordings, [len(lengths)])
    with pytest.raises(ChainruleError, match="expected recordings with features"):
        resynthesise(opened, recordings.first(1))


def test_completions_are_given_the_frames_of_their_items(run, spoken, tmp_path):
    call(
        "complete",
        run,
        spoken,
        "--split",
        "test",
        "--items",
        2,
        "-n",
        1,
        "--keep",
        0.5,
        "-o",
        tmp_path / "c.npy",
    )
    data = Recipe.read(run / "config.yaml").load_data()
    x, known = data.domain.check(data.test[:2]), torch.arange(64) < 32
    model, generator = Run.open(run).model, torch.Generator().manual_seed(0)
    drawn = model.complete(x, known, 1, generator, cond=data.cond("test")[:2])
    assert np.array_equal(np.load(tmp_path / "c.npy"), drawn[:, 0].numpy())


def test_what_is_refused(run, spoken, tmp_path):
    assert "expected --like, a recording whose features" in call("sample", run, status=1)
    error = call("sample", run, "--like", spoken / "03.wav", "--length", 9, status=1)
    assert "expected --like, or --prompt and --length, got both" in error
    assert "no such file" in call("sample", run, "--like", tmp_path / "none.wav", status=1)
    train = ("train", "wavenet", "--data", spoken, "--domain", DOMAIN, "--out", tmp_path / "run")
    error = call(*train, "--set", "features=[12,16]", status=1)
    assert "expected floats (B, 12, 4) beside each item, found none; give the same features" in error
    error = call(*train, "--set", "features=[12,16]", "--features", 10, 16, status=1)
    assert "expected floats (B, 12, 4) beside each item, found frames (10, 4)" in error
    error = call("train", "lstm", *train[2:], "--features", 10, 16, status=1)
    assert "features" in error
