"""MIDI files → piano rolls: what is written is read again, and what a roll does not hold is said."""

import struct
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.data import Reading, load_data, load_items
from chainrule.data.readers.midi import read_piece, roll
from chainrule.errors import DataError, MissingExtraError
from chainrule.report.midi import write_midi
from chainrule.training import Run
from test_cli import call

mido = pytest.importorskip("mido")
KEYS, BEAT = 88, 480


def save(path, *tracks, kind=1, beat=BEAT, end=0):
    """A file whose tracks are lists of (beats since the last, message), or a name and such a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = mido.MidiFile(type=kind, ticks_per_beat=beat)
    for track in tracks:
        name, events = track if isinstance(track, tuple) else ("", track)
        messages = [mido.MetaMessage("track_name", name=name)] if name else []
        messages += [message.copy(time=round(wait * beat)) for wait, message in events]
        file.tracks.append(
            mido.MidiTrack([*messages, mido.MetaMessage("end_of_track", time=round(end * beat))])
        )
    file.save(path)
    return path


def on(note, channel=0, velocity=80):
    return mido.Message("note_on", note=note, channel=channel, velocity=velocity)


def off(note, channel=0):
    return mido.Message("note_off", note=note, channel=channel)


def tempo(minute):
    return mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(minute))


def steps(path, resolution=4, tracks=None):
    """{note: the steps at which it is down}, and how many steps there are."""
    keys = roll(read_piece(path, tracks), resolution, str(path), Counter())
    down = {21 + key: np.flatnonzero(keys[:, key]).tolist() for key in np.flatnonzero(keys.any(0))}
    return down, len(keys)


def refused(match, source, **options):
    with pytest.raises(DataError, match=match) as caught:
        load_data(source, **options)
    assert "\n" not in str(caught.value)


# What is written is read again


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 3, 4, 7, 24, 64]),
    st.floats(0.01, 0.9),
)
def test_rolls_come_back(tmp_path, length, seed, resolution, density):
    random = torch.Generator().manual_seed(seed)
    keys = (torch.rand(length, KEYS, generator=random) < density).long()
    keys[0, seed % KEYS] = 1
    write_midi(keys, tmp_path / "x.mid", resolution=resolution, tempo=90)
    raw = load_items(
        tmp_path / "x.mid", Reading(cr.Domain.parse("sequence:8x88:2:given"), resolution=resolution)
    )
    assert torch.equal(raw.streams.values.long(), keys)
    assert raw.notes.changed == []


def test_samples_of_a_run_come_back(tmp_path):
    """The run knows how many of its steps a quarter note has: its samples play at the speed of its data."""
    for i in range(3):
        save(tmp_path / "in" / f"{i}.mid", [(0, on(60 + i)), (2, off(60 + i)), (0, on(67)), (1, off(67))])
    train = ("train", "gru", "--data", tmp_path / "in", "--set", "width=4", "--epochs", 1, "--resolution", 2)
    trained = call(*train, "--domain", "sequence:8x88:2:given", "--out", tmp_path / "run")
    assert trained.status == 0 and "2 steps a quarter note" in trained.err
    assert Run.open(tmp_path / "run").reading.resolution == 2
    options = ("sample", tmp_path / "run", "-n", 1, "--length", 8, "-o")
    for name in ("x.mid", "x.npy"):
        assert call(*options, tmp_path / name).status == 0
    assert mido.MidiFile(tmp_path / "x.mid").length == pytest.approx(
        8 / 2 * 60 / 120
    )  # quarter notes, 120 a minute
    read = load_items(tmp_path / "x.mid", Run.open(tmp_path / "run").reading)
    assert np.array_equal(read.streams.values.numpy(), np.load(tmp_path / "x.npy")[0])
    assert call("score", tmp_path / "run", tmp_path / "in" / "0.mid", "--json").json["items"] == 1


def test_the_default_resolution_stays_with_the_run(tmp_path):
    save(tmp_path / "x.mid", [(0, on(60)), (20, off(60))])
    data = load_data(tmp_path / "x.mid")
    assert data.origin["resolution"] == 4 and str(data.domain) == "sequence:64x88:2:given"
    assert "1 piece of 1 note, 4 steps a quarter note" in data.notes.found


# Time


def test_steps_are_parts_of_beats_whatever_the_tempo(tmp_path):
    notes = [(0, tempo(60)), (1, on(60)), (0.5, off(60)), (0, tempo(180)), (0.5, on(62)), (1, off(62))]
    path = save(tmp_path / "x.mid", notes)
    assert steps(path) == ({60: [4, 5], 62: [8, 9, 10, 11]}, 12)
    assert steps(path, 1) == ({60: [1], 62: [2]}, 3)  # at least a step
    data = load_data(path)
    (line,) = [line for line in data.notes.ignored if "tempo" in line]
    assert (
        line
        == "the tempo, 60 quarter notes a minute at first, and its changes in 1 piece: steps are parts of beats"
    )


def test_a_note_shorter_than_a_step_is_one_step(tmp_path):
    path = save(tmp_path / "x.mid", [(1, on(60)), (0.1, off(60)), (0.9, on(62)), (0, off(62))], beat=100)
    assert steps(path) == ({60: [4], 62: [8]}, 9)


@pytest.mark.parametrize("beat", [1, 96, 480, 32767])
def test_any_ticks_a_beat(beat, tmp_path):
    assert steps(save(tmp_path / "x.mid", [(0, on(60)), (2, off(60))], beat=beat)) == (
        {60: list(range(8))},
        8,
    )


def test_notes_between_steps_are_moved_to_the_nearest_and_counted(tmp_path):
    path = save(
        tmp_path / "x.mid", [(0.24, on(60)), (0.52, off(60)), (0.24, on(62)), (12, off(62))], beat=100
    )
    assert steps(path)[0] == {60: [1, 2], 62: list(range(4, 52))}
    lines = load_data(path).notes.changed
    assert lines == ["1 note moved to the nearest step; --resolution (resolution=…) names finer steps"]
    assert load_data(path, resolution=50).notes.changed == []
    for wrong in (0, 65, 4.0):
        refused("resolution: expected steps a quarter note, an integer from 1 to 64", path, resolution=wrong)


# Notes


def test_notes_without_an_end_last_to_the_end(tmp_path):
    path = save(tmp_path / "x.mid", [(0, on(60)), (1, on(64)), (1, off(64))], end=8)
    assert steps(path) == ({60: list(range(40)), 64: [4, 5, 6, 7]}, 40)
    assert "1 note without an end, held to the end of the piece" in load_data(path).notes.changed


def test_a_note_on_without_velocity_is_an_end(tmp_path):
    assert steps(save(tmp_path / "x.mid", [(0, on(60)), (1, on(60, velocity=0))], end=2))[0] == {
        60: [0, 1, 2, 3]
    }


def test_notes_that_a_roll_does_not_tell_apart_are_counted(tmp_path):
    again = [(0, on(60)), (1, off(60)), (0, on(60)), (1, off(60)), (0, on(62)), (1, on(62)), (8, off(62))]
    path = save(tmp_path / "x.mid", again)
    assert steps(path)[0] == {60: list(range(8)), 62: list(range(8, 44))}
    assert any(
        line.startswith("2 notes joined with the one before") for line in load_data(path).notes.changed
    )


def test_notes_outside_the_keys_are_counted(tmp_path):
    keys = [
        (0, on(20)),
        (0, on(109)),
        (0, on(21)),
        (0, on(108)),
        (9, off(20)),
        (0, off(109)),
        (0, off(21)),
        (0, off(108)),
    ]
    path = save(tmp_path / "x.mid", keys)
    assert steps(path)[0].keys() == {21, 108}
    assert "2 notes outside the 88 keys, A0 to C8" in load_data(path).notes.ignored


# Tracks


@pytest.fixture
def band(tmp_path):
    return save(
        tmp_path / "band.mid",
        [(0, tempo(100))],
        ("Lead", [(0, on(72)), (9, off(72))]),
        ("Bass", [(0, on(40, 1)), (9, off(40, 1))]),
        ("Kit", [(0, on(36, 9)), (9, off(36, 9))]),
    )


def test_drums_are_left_out_unless_their_track_is_named(band):
    assert steps(band)[0].keys() == {40, 72}
    notes = load_data(band).notes
    assert "1 note of drums; name tracks with --tracks to take them" in notes.ignored
    assert notes.found[1] == "tracks: 0 '' (0 notes), 1 'Lead' (1 note), 2 'Bass' (1 note), 3 'Kit' (1 note)"
    for names, found in {("lead",): {72}, ("2",): {40}, ("Kit",): {36}, ("1", "bass"): {40, 72}}.items():
        assert steps(band, tracks=names)[0].keys() == found


def test_tracks_that_are_not_there(band, tmp_path):
    refused(
        "no notes in the tracks piano; its tracks, and their notes: 0 '' .*, 1 'Lead'", band, tracks=["piano"]
    )
    refused("tracks: expected a list of different names, got 'Lead'", band, tracks="Lead")
    save(tmp_path / "other.mid", ("Piano", [(0, on(60)), (9, off(60))]))
    data = load_data(tmp_path, tracks=["lead"])
    assert "1 piece without notes: other.mid" in data.notes.ignored
    assert data.origin["tracks"] == ["lead"]


def test_options_on_the_command_line(band):
    found = call("data", band, "--tracks", "Bass", "--tracks", "Lead", "--resolution", 8, "--json").json
    assert any("2 notes, 8 steps a quarter note" in line for line in found["notes"]["found"])
    assert (
        "resolution is for MIDI files, expected none, got 8"
        in call("data", "digits", "--resolution", 8).error
    )


# Folders


def test_subfolders_are_splits_and_classes(tmp_path):
    for split in ("train", "validation", "test"):
        for number, name in enumerate(("bach", "monk")):
            save(tmp_path / split / name / "1.midi", [(0, on(60 + number)), (4, off(60 + number))])
    data = load_data(tmp_path, domain="sequence:32x88:2:given")
    assert data.class_names == ("bach", "monk")
    assert data.labels["valid"].tolist() == [0, 1] and data.test[:, 0].argmax(1).tolist() == [39, 40]


def test_pieces_without_notes_are_named(tmp_path):
    empty = save(tmp_path / "empty.mid", [(0, tempo(90))])
    refused("empty.mid: holds no notes on the keys; its tracks, and their notes: 0 '' ", empty)
    refused(
        "but those of drums; name tracks with --tracks",
        save(tmp_path / "d.mid", [(0, on(36, 9)), (4, off(36, 9))]),
    )
    save(tmp_path / "full.mid", [(0, on(60)), (4, off(60))])
    items = load_items(tmp_path, Reading(cr.Domain.parse("sequence:8x88:2:given")))
    assert "2 pieces without notes: d.mid, empty.mid" in items.notes.ignored and len(items) == 2


# Damage


def test_files_that_are_cut_short(tmp_path):
    whole = save(tmp_path / "x.mid", [(0, on(60)), (4, off(60))]).read_bytes()
    for size in range(1, len(whole)):
        (tmp_path / "x.mid").write_bytes(whole[:size])
        refused(
            "x.mid: is (cut short; copy it again|damaged, or not a MIDI file .*; export it again)",
            tmp_path / "x.mid",
        )


def test_files_that_are_not_music(tmp_path):
    path = tmp_path / "x.mid"
    path.write_bytes(b"no music at all" * 9)
    refused("x.mid: is damaged, or not a MIDI file .*MThd not found.*; export it again", path)
    for head, match in {
        struct.pack(">hhh", 1, 1, -6168): "its time is not in beats",
        struct.pack(">hhh", 1, 1, 0): "its time is not in beats",
        struct.pack(">hhh", 2, 1, 480): "each of its tracks is a separate piece",
    }.items():
        path.write_bytes(b"MThd\0\0\0\6" + head + b"MTrk\0\0\0\4\0\xff\x2f\0")
        refused(f"x.mid: {match}", path)
    save(path, [(0, on(60)), (0x0FFFFFFF, off(60)), *[(0x0FFFFFFF, on(61))] * 300], beat=1)
    refused("would take .* of memory", path)


def test_without_the_library(tmp_path, monkeypatch):
    path = save(tmp_path / "x.mid", [(0, on(60)), (4, off(60))])
    monkeypatch.setitem(__import__("sys").modules, "mido", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[music\]'"):
        load_data(path)
