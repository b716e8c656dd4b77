"""Piano rolls: MIDI files that read back, pictures, and the commands on steps of several variables."""

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule as cr
from chainrule.data import Data
from chainrule.data.streams import Streams
from chainrule.errors import ChainruleError, MissingExtraError
from chainrule.report import completion_grid, draw_structure, export_items, image_grid, write_report
from chainrule.training import Run
from test_cli import call

KEYS = 88


def rolls(*pieces, steps=6):
    """Each piece: key → steps at which it is down; its length is that of its last note."""
    x = torch.zeros(len(pieces), steps, KEYS, dtype=torch.int64)
    for roll, piece in zip(x, pieces, strict=True):
        for key, down in piece.items():
            roll[list(down), key] = 1
        roll[1 + max(max(down) for down in piece.values()) :] = -1
    return x


def domain(steps=6):
    return cr.Domain.sequence(steps, 2, width=KEYS, lengths="given")


def notes(path):
    """The notes of a file: (note, first beat, beats), the tempo and the length in seconds."""
    mido = pytest.importorskip("mido")
    file = mido.MidiFile(path)
    (track,) = file.tracks
    now, sounding, found = 0, {}, []
    for message in track:
        now += message.time
        if message.type == "note_on":
            assert message.note not in sounding
            sounding[message.note] = now
        elif message.type == "note_off":
            start = sounding.pop(message.note)
            found.append((message.note, start / file.ticks_per_beat, (now - start) / file.ticks_per_beat))
    assert not sounding
    return sorted(found), file.length


# --- MIDI -----------------------------------------------------------------------------------------------


def test_midi_reads_back(tmp_path):
    pytest.importorskip("mido")
    x = rolls({0: [0], 39: [0, 1, 2], 43: [1, 3], 87: [2, 3]})
    assert export_items(x, domain(), tmp_path / "x.mid") == [tmp_path / "x.mid"]
    found, seconds = notes(tmp_path / "x.mid")
    assert found == [(21, 0, 1), (60, 0, 3), (64, 1, 1), (64, 3, 1), (108, 2, 2)]
    assert seconds == 4 * 0.5  # a step is a quarter note, 120 a minute; the piece has four
    export_items(x, domain(), tmp_path / "x.mid", tempo=60)
    assert notes(tmp_path / "x.mid")[1] == 4


def test_silence_has_its_length(tmp_path):
    pytest.importorskip("mido")
    export_items(torch.zeros(1, 6, KEYS, dtype=torch.int64), domain(), tmp_path / "x.mid")
    assert notes(tmp_path / "x.mid") == ([], 3.0)


def test_several_pieces_are_several_files(tmp_path):
    pytest.importorskip("mido")
    x = rolls({10: [0, 1]}, {20: [5]})
    files = export_items(x, domain(), tmp_path / "x.mid")
    assert files == [tmp_path / "x-0.mid", tmp_path / "x-1.mid"]
    assert sorted(tmp_path.iterdir()) == files
    assert [notes(file)[0] for file in files] == [[(31, 0, 2)], [(41, 5, 1)]]


def test_no_midi_of_other_things(tmp_path):
    for other in (
        cr.Domain.sequence(6, 2),
        cr.Domain.sequence(6, 3, width=KEYS),
        cr.Domain.image(1, 2, 88, 2),
    ):
        x = torch.zeros(1, *other.event_shape, dtype=torch.int64)
        with pytest.raises(ChainruleError, match="needs steps of 88 keys"):
            export_items(x, other, tmp_path / "x.mid")
    assert not list(tmp_path.iterdir())


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mido", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[music\]'"):
        export_items(rolls({10: [0]}), domain(), tmp_path / "x.mid")


# --- pictures -------------------------------------------------------------------------------------------


def test_a_roll_has_keys_up_and_time_to_the_right():
    x = rolls({0: [0], 87: [1]}, steps=3)
    small = np.asarray(image_grid(x, domain(3)))[2:-2, 2:-2]
    zoom = small.shape[1] // 3
    assert small.shape == (KEYS * zoom, 3 * zoom)
    small = small[::zoom, ::zoom]
    assert small[87].tolist() == [255, 0, 200]  # the lowest key; behind the end it is light
    assert small[0].tolist() == [0, 255, 200]
    assert (small[1:87, :2] == 0).all() and (small[:, 2] == 200).all()


def test_completions_of_a_roll():
    x = rolls({5: [0, 1]}, steps=4)
    known = torch.zeros(4, KEYS, dtype=torch.bool)
    known[:1] = True
    pixels = np.asarray(completion_grid(x, known, x[:, None], domain(4)))[2:-2, 2:-2]
    assert pixels.shape == (KEYS, 3 * 4 + 2 * 2)
    row = pixels[KEYS - 1 - 5]
    assert row[:4].tolist() == row[-4:].tolist() == [255, 255, 200, 200]
    assert row[6:10].tolist() == [255, 128, 128, 128]


# --- commands -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A run, and its data, whose pieces are of several lengths."""
    torch.manual_seed(0)
    pieces = [(torch.rand(steps, KEYS) < 0.05).to(torch.int8) for steps in (4, 6, 9, 14, 5, 6)]
    own = Streams.of(pieces)
    x = own.disjoint(domain()).x
    data = Data("music", x, x[:3], x[3:6], domain(), streams=dict.fromkeys(("train", "valid", "test"), own))
    folder = tmp_path_factory.mktemp("music") / "run"
    run = cr.fit(
        cr.create_model("gru", domain(), width=4), data, out=folder, epochs=1, device="cpu", progress=False
    )
    np.save(folder.parent / "x.npy", x.numpy())
    return run, data, folder


def test_report(music):
    run, data, folder = music
    page = write_report(run, data, path=folder / "page.html").read_text()
    assert page.count("<img") >= 3 and "Completions" in page


def test_show(music):
    folder = music[2]
    card = call("show", folder, "--json").json
    assert card["sites"] == 6 and card["variables_per_site"] == KEYS
    with Image.open(card["picture"]) as picture:
        picture.verify()
    few = cr.create_model("gru", cr.Domain.sequence(4, 2, width=3), width=4)
    draw_structure(few, torch.zeros(1, 4, 3, dtype=torch.int64), folder / "few.png")


def test_sample_into_files(music, tmp_path):
    pytest.importorskip("mido")
    folder = music[2]
    call("sample", folder, "-n", 3, "-o", tmp_path / "x.npy")
    ended = call("sample", folder, "-n", 3, "-o", tmp_path / "x.mid", "--json").json
    assert ended["files"] == [str(tmp_path / f"x-{i}.mid") for i in range(3)]
    for i, roll in enumerate(np.load(tmp_path / "x.npy")):
        found, seconds = notes(tmp_path / f"x-{i}.mid")
        assert sum(beats for _, _, beats in found) == roll.sum() and seconds == 3
    ended = call("continue", folder, "-o", tmp_path / "y.mid", "--length", 20, "--tempo", 240)
    assert ended.status == 0 and ended.err == f"1 samples: {tmp_path / 'y.mid'}\n"
    assert notes(tmp_path / "y.mid")[1] == 5
    assert call("sample", folder, "-n", 2, "-o", tmp_path / "x.png", "--length", 9).status == 0


def test_complete(music, tmp_path):
    _, data, folder = music
    given = folder.parent / "x.npy"
    done = call("complete", folder, given, "-o", tmp_path / "c.npy", "-n", 2, "--items", 4, "--json").json
    assert (done["kept"], done["of"]) == (3 * KEYS, 6 * KEYS)
    drawn, x = np.load(tmp_path / "c.npy"), data.train[:4].numpy().repeat(2, 0)
    assert (drawn[:, :3] == x[:, :3]).all() and drawn.min() >= -1
    assert call("complete", folder, given, "-o", tmp_path / "c.png", "-n", 2).status == 0
    pytest.importorskip("mido")
    ended = call("complete", folder, given, "-o", tmp_path / "c.mid", "-n", 2, "--items", 2, "--keep", "0.4")
    assert f"2 items, {2 * KEYS} of {6 * KEYS} variables kept" in ended.err  # whole steps
    assert ended.err.endswith(f"{tmp_path / 'c-0.mid'} to c-3.mid\n")


# --- items with an end, and texts longer than a window ----------------------------------------------------


def made(tmp_path, text, domain, model="gru", **options):
    (tmp_path / "x.txt").write_text(text)
    data = cr.load_data(tmp_path / "x.txt", domain=domain)
    model = cr.create_model(model, data.domain, **options)
    cr.fit(model, data, out=tmp_path / "run", epochs=1, device="cpu", progress=False)
    return tmp_path / "run"


def test_names(tmp_path):
    folder = made(tmp_path, "anna\nbea\nab\nnan\nbanana\n" * 6, "sequence:6:6:ends", width=4)
    lines = call("sample", folder, "-n", 20).out.split("\n")
    assert len(lines) == 21 and lines[-1] == "" and all(len(line) <= 6 for line in lines)
    assert set("".join(lines)) <= set("aben\ufffd")
    assert {len(line) for line in lines[:-1]} != {6}  # an end symbol is not printed
    for seed in range(5):
        one = call("sample", folder, "-n", 1, "--seed", seed)
        assert one.out == f"{call('sample', folder, '-n', 1, '--seed', seed, '--json').json['items'][0]}\n"
    assert call("sample", folder, "-n", 1, "--prompt", "bananabanana").out.startswith("bananabanana")
    done = call("complete", folder, tmp_path / "x.txt", "-o", tmp_path / "c.txt", "--keep", "0.5")
    assert done.status == 0
    assert call("show", folder, "--json").status == 0


@pytest.mark.parametrize("model", ["gru", "transformer"])
def test_texts_longer_than_a_window(tmp_path, model):
    small = {"width": 8} if model == "gru" else {"channels": 8, "depth": 1, "heads": 2}
    folder = made(tmp_path, "the cat sat on the mat\n" * 40, "sequence:16:11", model, **small)

    def drawn(*options):
        return call("sample", folder, *options, "--json").json["items"]

    short, long = drawn("-n", 1), drawn("-n", 1, "--length", 50)
    assert len(short[0]) == 16 and len(long[0]) == 50 and long[0].startswith(short[0])
    assert call("sample", folder, "-n", 1, "--length", 50).out == f"{long[0]}\n"
    assert [len(item) for item in drawn("-n", 3, "--length", 5)] == [5] * 3
    prompt = "on the mat\nthe cat sat"
    assert [item[: len(prompt)] for item in drawn("-n", 2, "--prompt", prompt)] == [prompt] * 2
    assert {len(item) for item in drawn("-n", 2, "--prompt", prompt)} == {16 + len(prompt)}
    assert {len(item) for item in drawn("-n", 2, "--prompt", prompt, "--length", 30)} == {30}
    error = call("sample", folder, "--prompt", prompt, "--length", len(prompt)).error
    assert "length: expected more than the 22 characters of the prompt, got 22" in error
    file = tmp_path / "out.txt"
    assert call("sample", folder, "-n", 1, "--length", 50, "-o", file).status == 0
    assert file.read_text() == f"{long[0]}\n"


def test_bytes_are_read_as_utf_8(tmp_path):
    """Each byte of this text says which is next."""
    (tmp_path / "x.txt").write_text("é€x" * 100, encoding="utf-8")
    data = cr.load_data(tmp_path / "x.txt", domain="sequence:12:256")
    model = cr.create_model("count-table", data.domain)
    folder = tmp_path / "run"
    cr.fit(model, data, out=folder, device="cpu", progress=False)
    greedy = ("sample", folder, "-n", 1, "--temperature", 0, "--prompt")
    assert call(*greedy, "é", "--length", 14).out == "é€xé€xé\n"
    assert call(*greedy, "é", "--length", 12, "--json").json["items"] == ["é€xé€x"]
    assert call(*greedy, "é", "--length", 16).out == "é€xé€xé\ufffd\n"  # cut within €
    for length in (12, 16):
        assert call(*greedy, "é", "--length", length, "-o", tmp_path / "y.txt").status == 0
        assert (tmp_path / "y.txt").read_bytes() == ("é€x" * 3).encode()[:length] + b"\n"
    assert "more than the 2 bytes of the prompt" in call(*greedy, "é", "--length", 2).error
    page = write_report(Run.open(folder), data, path=tmp_path / "page.html").read_text(encoding="utf-8")
    assert "é€" in page and "Ã©" not in page


def test_length_is_for_what_goes_step_by_step(tmp_path):
    folder = made(tmp_path, "abcab" * 40, "sequence:8:3", ordering="reversed", width=4)
    assert (
        "does not draw items of sequence:8:3 step after step" in call("sample", folder, "--length", 20).error
    )
    assert call("sample", folder, "-n", 1).status == 0
