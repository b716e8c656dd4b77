"""Recordings: μ-law, folders of them, several labels, sounds that are written, the page of a run."""

import base64
import contextlib
import hashlib
import io
import itertools
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import chainrule as cr
from chainrule.cli import main
from chainrule.cli.opening import check_label
from chainrule.data import Reading, load_data, load_items
from chainrule.data.readers.sound import read_sound, resample
from chainrule.data.sets.named import NAMED
from chainrule.domain.mu_law import SILENCE, compress, compress_samples, expand, expand_samples
from chainrule.errors import ChainruleError, ConditionError, DataError
from chainrule.layers import Condition
from chainrule.report import export_items
from chainrule.report.export import export_sounds
from chainrule.report.sounds import spectrogram
from chainrule.tasks import classify, interpolate
from chainrule.training import Run

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


# Folders of recordings


def tone(steps, pitch=440.0, rate=8000, loud=0.5):
    return loud * np.sin(2 * np.pi * pitch * np.arange(steps) / rate)


def record(path, amplitudes, rate=8000, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, amplitudes, rate, subtype=subtype)
    return path


@pytest.fixture
def spoken(tmp_path):
    """Twelve recordings with metadata: digits 3, 5 and 10 by ann and bob, the last of each a test recording."""
    folder, lines = tmp_path / "spoken", ["file,digit,speaker,split"]
    for i in range(12):
        digit, speaker, split = (
            (10, 3, 5)[i % 3],
            ("bob", "ann")[i % 2],
            ("train", "valid", "test")[i // 6 + i // 9],
        )
        record(folder / f"{i:02}.wav", tone(40 + i, 300 + 10 * i))
        lines.append(f"{i:02}.wav,{digit},{speaker},{split}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


def refused(match, source, **options):
    with pytest.raises(DataError, match=match) as caught:
        load_data(source, **options)
    assert "\n" not in str(caught.value)


def test_a_folder_with_metadata(spoken):
    data = load_data(spoken, domain="sequence:32:65536:given")
    assert str(data) == (
        "spoken: sequence:32:65536:given, 12 train, 6 valid, 6 test, 3 of digit, 2 of speaker, 8000 Hz"
    )
    assert data.label_names == ("digit", "speaker") and data.rate == 8000
    assert data.class_names == (("3", "5", "10"), ("ann", "bob"))  # numbers in their order
    assert data.classes == {"digit": ("3", "5", "10"), "speaker": ("ann", "bob")}
    first = data.streams["train"].values[:40] - 32768
    assert first.tolist() == soundfile.read(spoken / "00.wav", dtype="int16")[0].tolist()
    assert data.streams["train"].labels.tolist() == [[2, 1], [0, 0], [1, 1], [2, 0], [0, 1], [1, 0]]
    assert data.labels["train"].tolist()[:4] == [[2, 1], [2, 1], [0, 0], [0, 0]]  # a window has its stream's
    assert data.train[1].tolist()[8:] == [-1] * 24


def test_some_labels_at_another_rate(spoken):
    data = load_data(spoken, labels=["speaker"], rate=4000)
    assert data.classes == {"speaker": ("ann", "bob")} and data.class_names == ("ann", "bob")
    assert data.labels["train"].tolist() == [1, 0, 1, 0, 1, 0] and data.rate == 4000
    lengths = data.streams["train"].lengths
    assert (lengths - torch.arange(40, 46) / 2).abs().max() <= 0.5
    assert (
        data.origin.items() >= {"source": str(spoken), "seed": 0, "rate": 4000, "labels": ["speaker"]}.items()
    )
    assert str(data.domain) == "sequence:2048:256:given"


def test_resampling_keeps_a_tone():
    rates = 16000, 8000
    before, after = ((tone(4000 * r // 8000, rate=r) * 32768).astype(np.int16) for r in rates)
    found = resample(before, *rates).samples
    assert np.abs(found.astype(int) - after)[200:-200].max() < 40  # of 16384, away from the ends
    assert resample(after, 8000, 8000).samples is after


def test_whole_recordings_are_put_aside(tmp_path):
    for i in range(10):
        record(tmp_path / f"{i}.flac", np.full(100, i / 64))
    data = load_data(tmp_path, domain="sequence:16:65536:given")
    heard = [{int(v) - 32768 for v in data.streams[split].values} for split in ("train", "valid", "test")]
    assert [len(values) for values in heard] == [8, 1, 1]
    assert set.union(*heard) == {512 * i for i in range(10)}
    assert "seeded split 80/10/10" in data.source and data.labels == {}


def test_subfolders_are_splits_and_classes(tmp_path):
    for split in ("train", "valid", "test"):
        for name in ("dog", "cat"):
            record(tmp_path / split / name / "1.wav", tone(20))
    data = load_data(tmp_path)
    assert data.class_names == ("cat", "dog") and data.labels["test"].tolist() == [0, 1]
    assert data.label_names == () and data.classes == {"class": ("cat", "dog")}
    refused("has no label 'animal'; known: none", tmp_path, labels=["animal"])


def test_channels_and_formats(tmp_path):
    left, right = tone(50), tone(50, 700)
    record(tmp_path / "stereo.wav", np.stack([left, right], 1), subtype="FLOAT")
    samples, rate, _, _ = read_sound(tmp_path / "stereo.wav")
    assert rate == 8000 and samples.dtype == np.int16
    assert np.abs(samples - 32768 * (left + right) / 2).max() <= 0.51


def test_folders_that_are_refused(tmp_path, spoken):
    refused(
        "needs? a domain such as sequence:2048:256:given .*got sequence:32:100",
        spoken,
        domain="sequence:32:100",
    )
    refused("got sequence:32:256:ends", spoken, domain="sequence:32:256:ends")
    refused("has no label 'speker'; did you mean 'speaker'", spoken, labels=["speker"])
    refused("rate: expected Hz, an integer ≥ 1, got 0", spoken, rate=0)
    refused("a rate is for recordings", "digits", rate=8000)

    record(tmp_path / "mixed" / "a.wav", tone(20))
    (tmp_path / "mixed" / "b.wav").write_bytes(b"no sound at all")
    refused("b.wav: is damaged", tmp_path / "mixed")
    record(tmp_path / "mixed" / "b.wav", np.zeros(0))
    refused("b.wav: holds no samples", tmp_path / "mixed")
    Image.new("L", (4, 4)).save(tmp_path / "mixed" / "c.png")
    (tmp_path / "mixed" / "b.wav").unlink()
    refused("mixed: holds equally many images .* and recordings", tmp_path / "mixed")


@pytest.mark.parametrize(
    "change, match",
    [
        (("file,", "path,"), "expected a column 'file', got path, digit, speaker, split"),
        (("01.wav", "1.wav"), "one row for each recording; 1.wav has a row, but there is no such"),
        (("01.wav", "00.wav"), "00.wav has 2 rows"),
        ((",valid", ",later"), "row 6: expected train or valid or test, got 'later'"),
        ((",ann,", ",,"), "row 1: expected a cell in each of the columns file, digit, speaker, split"),
    ],
)
def test_metadata_that_are_refused(change, match, spoken):
    path = spoken / "metadata.csv"
    path.write_text(path.read_text().replace(*change))
    refused(f"metadata.csv: .*{match}", spoken)


def test_metadata_without_train_are_for_verbs_only(spoken):
    path = spoken / "metadata.csv"
    path.write_text(path.read_text().replace(",train", ",valid"))
    refused("has valid, test but no train; expected a split to train on", spoken)
    assert len(load_items(spoken, Reading(rate=8000))) == 12


def test_spoken_digits_are_split_by_index(tmp_path, monkeypatch):
    folder = tmp_path / "fsdd"
    folder.mkdir()
    rows, offset = ["digit,speaker,index,split,offset,length"], 0
    for digit, speaker, index in itertools.product((0, 1), ("theo", "lucas"), range(12)):
        rows.append(f"{digit},{speaker},{index},any,{offset},{10 + index}")
        offset += 10 + index
    np.savez(folder / "fsdd.npz", audio=np.arange(offset, dtype=np.int16))
    (folder / "metadata.csv").write_text("\n".join(rows))
    digests = [
        hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("fsdd.npz", "metadata.csv")
    ]
    entry = replace(NAMED["fsdd"], digest=digests[0], others={"fsdd/metadata.csv": digests[1]})
    monkeypatch.setitem(NAMED, "fsdd", entry)
    data = load_data("fsdd", data_dir=tmp_path, domain="sequence:32:65536:given")
    assert [len(getattr(data, split)) for split in ("train", "valid", "test")] == [8, 20, 20]
    assert data.streams["test"].lengths.tolist() == 4 * [10, 11, 12, 13, 14]
    assert data.test[0].tolist()[:11] == [*range(32768, 32778), -1]
    assert data.labels["train"].tolist()[::2] == [[0, 1], [0, 0], [1, 1], [1, 0]]
    assert data.classes == {"digit": ("0", "1"), "speaker": ("lucas", "theo")}


# Several labels


def test_labels_add_up():
    condition = Condition(5, classes=[3, 2])
    table = condition.features.weight
    labels = torch.tensor([[2, 0], [0, 1]])
    torch.testing.assert_close(condition(labels, 2), table[[2, 0]] + table[[3, 4]])
    weights = torch.tensor([[0.0, 0.5, 0.5, 1.0, 0.0]])
    torch.testing.assert_close(condition(weights, 1), (table[1] + table[2])[None] / 2 + table[3])
    assert condition.expected == "integer labels (B, 2) in [0, 3) and [0, 2)"
    assert condition.item_shape == (2,)
    assert (
        Condition(5, classes=[4]).expected
        == Condition(5, classes=4).expected
        == "integer labels (B,) in [0, 4)"
    )
    with pytest.raises(ConditionError, match=r"in \[0, 3\) and \[0, 2\), got \[0, 2\]"):
        condition(torch.tensor([[0, 2]]), 1)
    for wrong in ([], [3, 0], [3, "2"]):
        with pytest.raises(ChainruleError, match="classes: expected integers ≥ 1, one for each label, got"):
            Condition(5, classes=wrong)


def test_one_items_labels_serve_a_batch():
    model = cr.create_model("lstm", cr.Domain.sequence(4, 3), width=8, classes=[3, 2]).eval()
    one, each = (
        model.sample(5, labels, generator=torch.Generator().manual_seed(0))
        for labels in (torch.tensor([2, 1]), torch.tensor([[2, 1]] * 5))
    )
    assert torch.equal(one, each)
    for wrong in (torch.tensor(1), torch.tensor([[2, 1]] * 3), torch.tensor([1, 1, 1])):
        with pytest.raises(ConditionError):
            model.sample(5, wrong)
    with pytest.raises(ChainruleError, match="classify: expected a model of one label"):
        classify(model, one)
    with pytest.raises(ConditionError, match="interpolate: expected a model of one label"):
        interpolate(model, 1, 2, 3)


@pytest.mark.parametrize(
    "classes, message",
    [
        ([3, 1], r"expected labels in \[0, 3\) and \[0, 1\), found 2 and 1; set classes=\[3, 2\]"),
        (5, r"expected integer labels \(B,\) in \[0, 5\) beside each item, found digit 0 … 2, speaker 0 … 1"),
        ([3, 2, 2], r"expected integer labels \(B, 3\)"),
    ],
)
def test_labels_that_do_not_suit_the_model(classes, message, spoken):
    data = load_data(spoken, domain="sequence:32:256:given")
    model = cr.create_model("finite-memory", data.domain, width=4, classes=classes)
    with pytest.raises(DataError, match=message):
        cr.fit(model, data, progress=False)


# Commands and the page


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny run of sounds with two labels; and what the page shows."""
    root = tmp_path_factory.mktemp("run")
    lines = ["file,digit,speaker"]
    for i in range(20):
        record(root / "spoken" / f"{i:02}.wav", tone(130 + i, 300 + 10 * i))
        lines.append(f"{i:02}.wav,{i % 3},{('ann', 'bob')[i % 2]}")
    (root / "spoken" / "metadata.csv").write_text("\n".join(lines))
    options = "channels=4", "skip=4", "depth=3", "classes=[3,2]", "epochs=1"
    settings = [part for option in options for part in ("--set", option)]
    domain = "sequence:64:256:given"
    call("train", "wavenet", "--data", root / "spoken", "--domain", domain, *settings, "--out", root / "run")
    return root / "run"


def call(*arguments, status=0):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([*map(str, arguments), "--device", "cpu"]) == status, err.getvalue()
    return out.getvalue() if status == 0 else err.getvalue().splitlines()[-1]


def test_a_run_knows_its_rate_and_labels(run):
    opened = Run.open(run)
    assert opened.rate == 8000
    assert opened.labels == {"digit": ["0", "1", "2"], "speaker": ["ann", "bob"]}
    assert opened.config["hyperparameters"]["classes"] == [3, 2]
    call("evaluate", run, "--no-baselines")


@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_samples_are_sounds(run, ending, tmp_path):
    labels = ("--label", "digit=2", "--label", "speaker=bob")
    call("sample", run, "-n", 2, *labels, "-o", tmp_path / f"x{ending}")
    call("sample", run, "-n", 2, *labels, "-o", tmp_path / "x.npy")
    levels = np.load(tmp_path / "x.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"x-0{ending}", f"x-1{ending}", "x.npy"]
    for number in range(2):
        sound, rate = soundfile.read(tmp_path / f"x-{number}{ending}", dtype="int16")
        assert rate == 8000 and np.array_equal(sound, expand_samples(levels[number]))
    call("sample", run, "-n", 1, *labels, "-o", tmp_path / f"one{ending}")
    assert (tmp_path / f"one{ending}").is_file()


def test_completions_are_sounds_at_the_runs_rate(run, tmp_path):
    record(tmp_path / "in" / "a.wav", tone(2000, rate=16000), rate=16000)
    for i in range(2):
        record(tmp_path / "in" / f"b{i}.wav", tone(1000, rate=16000), rate=16000)
    labels = ("--label", "digit=2", "--label", "speaker=bob")
    call(
        "complete",
        run,
        tmp_path / "in",
        *labels,
        "--items",
        1,
        "-n",
        1,
        "--keep",
        0.5,
        "-o",
        tmp_path / "c.wav",
    )
    given = load_items(tmp_path / "in", Reading(cr.Domain.sequence(64, 256, lengths="given"), rate=8000)).x
    kept = soundfile.read(tmp_path / "c.wav", dtype="int16")[0][:32]
    assert np.array_equal(kept, expand_samples(given[0, :32].numpy()))


def test_labels_go_by_name_or_number(run):
    def drawn(*labels):
        options = [part for label in labels for part in ("--label", label)]
        return call("sample", run, "-n", 1, *options)

    assert drawn("digit=2", "speaker=bob") == drawn("speaker=1", "digit=2") != drawn("digit=2", "speaker=ann")


@pytest.mark.parametrize(
    "labels, message",
    [
        ([], "expected digit=CLASS and speaker=CLASS, got none"),
        (["7"], "expected digit=CLASS and speaker=CLASS, got 7"),
        (["digit=1"], "expected digit=CLASS and speaker=CLASS, got digit=1"),
        (["digit=1", "digit=2"], "expected digit=CLASS and speaker=CLASS, got digit=1 digit=2"),
        (["digit=1", "speaker=eve"], "expected a class in [0, 2) or one of ann, bob, got eve"),
        (["digit=3", "speaker=ann"], "expected a class in [0, 3) or one of 0, 1, 2, got 3"),
    ],
)
def test_labels_that_are_refused(labels, message, run):
    options = [part for label in labels for part in ("--label", label)]
    assert f"--label: {message}" in call("sample", run, *options, status=1)


def test_classes_by_name_from_python(run):
    opened = Run.open(run)
    for classes in ({"digit": 2, "speaker": "bob"}, {"speaker": 1, "digit": "2"}):
        assert torch.equal(opened.cond(**classes), check_label(opened, ["digit=2", "speaker=bob"]))
    assert opened.model.sample(2, opened.cond(digit=2, speaker="bob")).shape == (2, 64)
    for wrong, message in (
        ({}, "cond: expected digit=CLASS and speaker=CLASS, got none"),
        ({"digit": 1, "loud": 2}, "got digit=1 loud=2"),
        ({"digit": 3, "speaker": "ann"}, r"cond: expected a class in \[0, 3\) or one of 0, 1, 2, got 3"),
    ):
        with pytest.raises(ConditionError, match=message):
            opened.cond(**wrong)
    plain = Run(None, cr.create_model("gru", cr.Domain.sequence(4, 3), width=4), {}, [])
    with pytest.raises(ConditionError, match="not conditioned on a class"):
        plain.cond()


def test_a_single_label_with_a_name():
    model = cr.create_model("finite-memory", cr.Domain.sequence(4, 256), width=4, classes=3)
    one = Run(None, model, {"labels": {"pitch": ["low", "2", "high"]}}, [])
    for text, expected in (("2", 1), ("1", 1), ("high", 2), ("pitch=low", 0)):  # a name wins over a number
        assert check_label(one, [text]) == expected
    for wrong in ("mid", "3", "loud=2", "pitch="):
        with pytest.raises(ConditionError, match="--label: expected"):
            check_label(one, [wrong])


def test_what_several_labels_do_not_serve(run):
    labels = ("--label", "digit=1", "--label", "speaker=ann")
    assert "--to: expected a model of one label" in call("sample", run, *labels, "--to", 1, status=1)
    assert "expected a model of one label" in call("classify", run, "digits", status=1)


def test_sounds_are_for_runs_that_have_a_rate(tmp_path):
    items = torch.zeros(1, 4, dtype=torch.int64)
    with pytest.raises(ChainruleError, match=r"x.wav: expected the ending \.png or .*\.npy or .*, got \.wav"):
        export_items(items, cr.Domain.sequence(4, 256), tmp_path / "x.wav")


def test_a_sound_ends_where_its_item_does(tmp_path):
    domain = cr.Domain.sequence(4, 65536, lengths="given")
    written = export_items(torch.tensor([[0, 32768, 65535, -1]]), domain, tmp_path / "x.wav", rate=8000)
    assert written == [tmp_path / "x.wav"]
    assert soundfile.read(written[0], dtype="int16")[0].tolist() == [-32768, 0, 32767]


def test_long_sounds_are_what_is_drawn(run, tmp_path):
    options = ("--label", "digit=2", "--label", "speaker=bob", "-n", 2, "--length", 5000)
    call("sample", run, *options, "-o", tmp_path / "x.wav")
    call("sample", run, *options, "-o", tmp_path / "x.npy")
    for i, levels in enumerate(np.load(tmp_path / "x.npy")):
        sound, _ = soundfile.read(tmp_path / f"x-{i}.wav", dtype="int16")
        assert len(sound) == 5000 and np.array_equal(sound, expand_samples(levels))


def test_sounds_are_written_part_by_part(tmp_path):
    domain, sizes = cr.Domain.sequence(64, 256), []

    def parts(fail):
        for _ in range(4):
            yield torch.full((1, 5000), 7)
            (file,) = tmp_path.rglob("*.wav")  # a temporary one
            sizes.append(file.stat().st_size)
        if fail:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_sounds(parts(fail=True), 1, domain, tmp_path / "x.wav", 8000)
    assert sizes[0] >= 10_000 and min(np.diff(sizes)) == max(np.diff(sizes)) == 10_000
    assert not list(tmp_path.iterdir())  # whole or not at all
    export_sounds(parts(fail=False), 1, domain, tmp_path / "x.wav", 8000)
    assert len(soundfile.read(tmp_path / "x.wav")[0]) == 20_000


def test_other_recordings_are_read_at_the_runs_rate_and_by_its_labels(run, tmp_path):
    lines = ["file,digit,speaker"]
    for i in range(6):
        record(tmp_path / f"{i}.wav", tone(400, rate=16000), rate=16000)
        lines.append(f"{i}.wav,{i % 3},{('ann', 'bob')[i % 2]}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    found = json.loads(call("evaluate", run, "--data", tmp_path, "--no-baselines", "--json"))
    assert found["n"] == 6 * 4  # of recordings of 200 samples at 8000 Hz, windows of 64
    (tmp_path / "metadata.csv").write_text("\n".join(lines).replace("bob", "eve"))
    error = call("evaluate", run, "--data", tmp_path, status=1)
    assert "speaker 'eve': the run knows 'ann', 'bob'" in error


def test_the_page_shows_and_plays_sounds(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert 'alt="spectrograms"' in page and "digit, speaker" in page
    assert "Receptive field: 1.1 ms, each sample is predicted from the 9 before it" in page
    assert "8.0 ms, 64 samples at 8,000 Hz" in " ".join(page.split())
    sounds = re.findall(r'<audio controls src="data:audio/wav;base64,([^"]+)"', page)
    assert len(sounds) == 2 * 6
    for encoded in sounds:
        sound, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)), dtype="int16")
        assert rate == 8000 and 0 < len(sound) <= 64


def test_a_tone_is_a_line_in_the_spectrogram():
    power = spectrogram((tone(4000, 1000, loud=1.0) * 32767).astype(np.int16), 8000)
    assert power.shape[0] == 129
    middle = power[:, power.shape[1] // 2]
    assert middle.argmax() == 32  # 1000 Hz of 4000 in 128 steps
    assert middle.max() == pytest.approx(0, abs=0.1) and middle[64:].max() == -90


def test_how_far_back_nets_read():
    domain = cr.Domain.sequence(12, 4)
    receptive_field = {
        name: cr.create_model(name, domain).network.receptive_field
        for name in ("lstm", "transformer", "count-table")
    }
    assert receptive_field == {"lstm": None, "transformer": None, "count-table": 1}
    assert (
        cr.create_model("wavenet", domain, depth=3, channels=4, skip=4).network.receptive_field
        == 1 + 1 + 1 + 2 + 4
    )
