"""Sound files as they come: loud, stereo, of several rates, widths and formats, damaged, alone."""

import csv

import numpy as np
import pytest
import soundfile

import chainrule as cr
from chainrule.data import Reading, load_data, load_items
from chainrule.data.readers.sound import SUFFIXES, peak, read_sound
from chainrule.errors import DataError
from chainrule.training import Run
from test_audio import call, record, tone

WIDE = "sequence:64:65536:given"  # samples as they are
FORMATS = {
    ".opus": {"format": "OGG", "subtype": "OPUS"},
    ".aif": {"format": "AIFF"},
    ".rf64.wav": {"format": "RF64"},
}
WIDE_DOMAIN = cr.Domain.parse(WIDE)


def samples(data, split="train"):
    return data.streams[split].values.numpy().astype(int) - 32768


def said(source, **options):
    """The lines of a source, one below the other."""
    return "\n".join(load_data(source, **options).notes.lines())


def refused(match, source, **options):
    with pytest.raises(DataError, match=match) as caught:
        load_data(source, **options)
    assert "\n" not in str(caught.value)


# Loudness


def test_floats_beyond_full_scale_are_made_quieter_together(tmp_path):
    """By one factor for all, so that a quiet recording beside a loud one stays as much quieter as it was."""
    loud = tone(400, loud=4.0)
    record(tmp_path / "in" / "loud.wav", loud, subtype="FLOAT")
    record(tmp_path / "in" / "quiet.wav", tone(400, loud=0.4))
    record(tmp_path / "in" / "other.wav", tone(400, loud=0.2))
    data = load_data(tmp_path / "in", domain=WIDE, seed=1)
    gain = data.origin["gain"]
    assert gain == pytest.approx(1 / np.abs(loud).max(), rel=1e-6)
    peaks = sorted(np.abs(samples(data, split)).max() for split in ("train", "valid", "test"))
    assert peaks[2] >= 32767 and peaks[:2] == pytest.approx([32768 * 0.05, 32768 * 0.1], rel=0.02)
    (line,) = [line for line in data.notes.changed if "multiplied" in line]
    assert f"all recordings are multiplied by {gain:.4g} (-12.0 dB)" in line
    assert not any("clipped" in line for line in data.notes.changed)
    assert load_data(tmp_path / "in", domain=WIDE, seed=1, gain=gain).origin == data.origin


def test_floats_within_full_scale_are_left_alone(tmp_path):
    amplitudes = np.array([1.0, -1.0, 0.5, 0.0])
    record(tmp_path / "x.wav", np.tile(amplitudes, 20), subtype="DOUBLE")
    data = load_data(tmp_path / "x.wav", domain=WIDE)
    assert samples(data)[:4].tolist() == [32767, -32768, 16384, 0] and "gain" not in data.origin
    assert data.notes.changed == ["1 recording of floats of 64 bits: rounded to 16 bits"]


def test_what_a_given_gain_clips_is_counted(tmp_path):
    record(tmp_path / "x.wav", np.array([0.25, -0.5, 0.75, 1.5] * 20), subtype="FLOAT")
    data = load_data(tmp_path / "x.wav", domain=WIDE, gain=1.0)
    assert samples(data)[:4].tolist() == [8192, -16384, 24576, 32767]
    assert "20 samples clipped at full scale, in x.wav" in data.notes.changed
    for wrong in (0, -1.0, float("nan"), "1", True):
        refused("gain: expected a number > 0", tmp_path / "x.wav", gain=wrong)


# Channels


def test_channels_that_cancel_are_not_mixed_to_silence(tmp_path):
    one = tone(100)
    record(tmp_path / "x.wav", np.stack([one, -one], 1))
    data = load_data(tmp_path / "x.wav", domain=WIDE)
    heard = np.concatenate([samples(data, split) for split in ("train", "valid", "test")])
    assert np.abs(heard - 32768 * one).max() <= 1
    assert data.notes.changed == ["1 recording whose channels cancel each other: the first is taken: x.wav"]


def test_other_channels_are_their_mean_and_it_is_said(tmp_path):
    record(tmp_path / "x.wav", np.stack([tone(100), tone(100, 700), tone(100, 900)], 1))
    assert "changed: 1 recording of 3 channels: their mean is taken" in said(tmp_path / "x.wav")
    record(tmp_path / "silent.wav", np.zeros((100, 2)))
    assert not read_sound(tmp_path / "silent.wav").cancelled


# Rates, widths and formats


def test_several_rates_are_brought_to_that_of_the_most_seconds(tmp_path):
    record(tmp_path / "a.wav", tone(8000))
    record(tmp_path / "b.wav", tone(8000))
    record(tmp_path / "c.wav", tone(12000, rate=16000), rate=16000)
    data = load_data(tmp_path)
    assert data.rate == 8000
    assert "resampled to 8,000 Hz: 1 of 16,000 Hz; --rate (rate=…) names another" in "\n".join(
        data.notes.changed
    )
    lengths = sorted(
        len(samples(load_data(tmp_path, domain=WIDE), split)) for split in ("train", "valid", "test")
    )
    assert lengths == [6000, 8000, 8000]
    assert load_data(tmp_path, rate=16000).rate == 16000
    assert "2 of 8,000 Hz" in said(tmp_path, rate=16000)


@pytest.mark.parametrize(
    "subtype, line",
    [
        ("PCM_U8", None),
        ("PCM_16", None),
        ("PCM_24", "1 recording of 24 bits: rounded to 16 bits"),
        ("PCM_32", "1 recording of 32 bits: rounded to 16 bits"),
        ("FLOAT", "1 recording of floats of 32 bits: rounded to 16 bits"),
    ],
)
def test_widths(subtype, line, tmp_path):
    record(tmp_path / "x.wav", tone(100), subtype=subtype)
    data = load_data(tmp_path / "x.wav", domain=WIDE)
    step = 256 if subtype == "PCM_U8" else 1
    assert np.abs(samples(data)[:64] - 32768 * tone(64)).max() <= step
    assert data.notes.changed == ([line] if line else [])


def test_all_formats_in_one_folder(tmp_path):
    for number, suffix in enumerate(SUFFIXES):
        soundfile.write(
            tmp_path / f"{number}{suffix}", tone(4800, rate=48000), 48000, **FORMATS.get(suffix, {})
        )
    (tmp_path / "notes.txt").write_text("who spoke when")
    (tmp_path / "x.m4a").write_bytes(b"of a format that is not read")
    data = load_data(tmp_path)
    assert data.rate == 48000 and sum(len(data.streams[s].lengths) for s in ("train", "valid", "test")) == 7
    assert f"7 recordings ({', '.join(f'1 {suffix}' for suffix in SUFFIXES)})" in data.notes.found[0]
    assert data.notes.ignored == ["2 other files: notes.txt, x.m4a"]
    for number, suffix in enumerate(SUFFIXES):
        heard = read_sound(tmp_path / f"{number}{suffix}").samples[1000:3000] / 32768
        assert np.abs(heard).max() == pytest.approx(0.5, abs=0.05)


# Damage


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".rf64.wav"])
def test_files_that_are_cut_short_are_refused(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    noise = 0.3 * np.random.default_rng(0).standard_normal(48000)
    soundfile.write(path, noise, 48000, **FORMATS.get(suffix, {}))
    whole = path.read_bytes()
    assert len(read_sound(path).samples) == 48000
    for part in (0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * part)])
        refused(f"x{suffix}: is (cut short|damaged)", path)


def test_lengths_that_a_recorder_could_not_fill_in_are_no_damage(tmp_path):
    """What is written to a pipe has the largest size in its header, or none."""
    record(tmp_path / "x.wav", tone(100))
    content = bytearray((tmp_path / "x.wav").read_bytes())
    at = content.index(b"data") + 4
    for size in (0xFFFFFFFF, 0x7FFFFFFF):
        content[at : at + 4] = size.to_bytes(4, "little")
        content[4:8] = size.to_bytes(4, "little")
        (tmp_path / "x.wav").write_bytes(content)
        assert len(read_sound(tmp_path / "x.wav").samples) == 100


def test_mp3_files_that_do_not_say_how_long_they_are(tmp_path):
    """Their length is guessed from the bit rate of the first frame, here that of silence before noise."""
    noise = np.concatenate([np.zeros(20000), 0.3 * np.random.default_rng(0).standard_normal(20000)])
    soundfile.write(tmp_path / "x.mp3", noise, 44100, bitrate_mode="VARIABLE", compression_level=0.5)
    content = (tmp_path / "x.mp3").read_bytes()
    first = content.index(b"\xff\xfb", content.index(b"Xing"))
    (tmp_path / "x.mp3").write_bytes(b"ID3\x03\0\0\0\0\x01\x00" + bytes(128) + content)
    assert len(read_sound(tmp_path / "x.mp3").samples) == 40000
    (tmp_path / "x.mp3").write_bytes(content[first:])
    with soundfile.SoundFile(tmp_path / "x.mp3") as file:
        assert file.frames > 50000  # the guess
    assert 40000 <= len(read_sound(tmp_path / "x.mp3").samples) < 44000


def test_what_else_is_refused(tmp_path):
    record(tmp_path / "x.wav", np.array([0.0, np.nan, 1.0]), subtype="FLOAT")
    refused("x.wav: sample 1 is not finite", tmp_path / "x.wav")
    record(tmp_path / "x.wav", np.zeros(0))
    refused("x.wav: holds no samples", tmp_path / "x.wav")
    (tmp_path / "x.wav").write_bytes(b"no sound at all")
    refused("x.wav: is damaged, or not a sound of a known format .*; convert it to .wav", tmp_path / "x.wav")
    refused(
        "encoding is for texts, expected none, got 'cp1252'",
        record(tmp_path / "y.wav", tone(90)),
        encoding="cp1252",
    )


def test_memory_is_bounded(tmp_path, monkeypatch):
    """Silence of minutes is a file of a few hundred bytes."""
    record(tmp_path / "x.flac", np.zeros(3_000_000))
    assert (tmp_path / "x.flac").stat().st_size < 50_000
    monkeypatch.setenv("CHAINRULE_MAX_BYTES", "1000000")
    refused("would take .* of memory", tmp_path / "x.flac")
    with pytest.raises(
        DataError, match=r"would take .* of memory"
    ):  # while it is decoded, whatever the header says
        peak(tmp_path / "x.flac")
    record(tmp_path / "y.wav", tone(10), rate=1)
    refused("would take .* of memory", tmp_path / "y.wav", rate=192_000)


# metadata.csv


def described(folder, rows):
    for row in rows:
        record(folder / row["file"], tone(100))
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_splits_of_metadata_have_other_names_too(tmp_path):
    splits = ("Train", "val", "TEST", "training", "validation", "testing")
    rows = [{"file": f"{i}.wav", "split": split, "who": "ab"[i % 2]} for i, split in enumerate(splits)]
    data = load_data(described(tmp_path, rows))
    assert {split: len(data.streams[split].lengths) for split in ("train", "valid", "test")} == {
        "train": 2,
        "valid": 2,
        "test": 2,
    }
    assert "labels: who (2)" in data.notes.found


def test_a_recording_without_a_row_is_named_and_left_out(tmp_path):
    described(tmp_path, [{"file": f"{i}.wav", "who": "ab"[i % 2]} for i in range(4)])
    record(tmp_path / "stray.wav", tone(100))
    items = load_items(tmp_path, Reading(rate=8000))
    assert items.names == tuple(f"{i}.wav" for i in range(4)) and items.labels.tolist() == [0, 1, 0, 1]
    assert items.notes.ignored == ["1 recording without a row in metadata.csv: stray.wav"]


def test_a_recording_beside_the_classes_is_named_and_left_out(tmp_path):
    for name in ("bee/1.wav", "bee/2.wav", "cow/1.wav", "stray.wav"):
        record(tmp_path / name, tone(100))
    items = load_items(tmp_path, Reading(rate=8000))
    assert items.labels.tolist() == [0, 0, 1] and items.names == ("bee/1.wav", "bee/2.wav", "cow/1.wav")
    assert any("stray.wav" in line for line in items.notes.ignored)


# A file alone, from training to verbs


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    root = tmp_path_factory.mktemp("long")
    record(root / "long.wav", tone(3000, loud=2.0), subtype="FLOAT")
    small = [part for option in ("channels=4", "skip=4", "depth=3", "epochs=1") for part in ("--set", option)]
    domain = ("--domain", "sequence:64:256:given")
    call("train", "wavenet", "--data", root / "long.wav", *domain, *small, "--out", root / "run")
    return root / "run"


def test_one_long_recording_is_enough(long_run):
    report = (long_run / "report.html").read_text(encoding="utf-8")
    assert 'alt="spectrograms"' in report and "<audio" in report
    opened = Run.open(long_run)
    assert opened.rate == 8000 and opened.config["data"]["gain"] == pytest.approx(0.5, rel=0.01)
    call("evaluate", long_run, "--no-baselines")


def test_verbs_read_sounds_by_the_gain_of_the_run(long_run, tmp_path):
    """A recording half as loud as the loudest the run was trained on is half as loud to the model too."""
    record(tmp_path / "new.wav", tone(100, loud=1.0), subtype="FLOAT")
    how = Run.open(long_run).reading
    items = load_items(tmp_path / "new.wav", Reading(domain=WIDE_DOMAIN, rate=8000, gain=how.gain))
    assert np.abs(items.streams.values.numpy().astype(int) - 32768).max() == pytest.approx(16384, rel=0.02)
    call("score", long_run, tmp_path / "new.wav", "-o", tmp_path / "scores.csv")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert len(rows) == 2
    record(tmp_path / "two" / "a.wav", tone(100))
    record(tmp_path / "two" / "b.wav", tone(50))
    call("score", long_run, tmp_path / "two", "-o", tmp_path / "scores.csv")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert [row["item"] for row in rows] == ["a.wav:0", "a.wav:64", "b.wav"]


def test_data_takes_the_options_of_train(tmp_path, capsys):
    record(tmp_path / "x.wav", tone(9000))
    from chainrule.cli import main

    options = ["--rate", "4000", "--domain", "sequence:256:256:given", "--features", "8", "64"]
    assert main(["data", str(tmp_path / "x.wav"), *options]) == 0
    out = capsys.readouterr().out
    assert "sequence:256:256:given" in out and "4000 Hz" in out and "8 bands every 64 samples" in out
    assert "resampled to 4,000 Hz: 1 of 8,000 Hz" in out
