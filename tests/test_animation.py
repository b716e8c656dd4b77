"""Animations of drawing: what frames show, in which order, and what is refused."""

import os
import stat
import string

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule as cr
from chainrule.cli import main
from chainrule.data.writing import Bytes, Characters
from chainrule.report import image_grid
from chainrule.report.animation import FRAMES, UNDRAWN, WAVE, frames
from chainrule.report.typed import texts_at, typed
from digits_run import write_run


def gif(path):
    """Its frames as arrays, and how long each is shown, in milliseconds."""
    picture = Image.open(path)
    shown, durations = [], []
    for k in range(picture.n_frames):
        picture.seek(k)
        shown.append(np.asarray(picture.convert("RGB")))
        durations.append(picture.info["duration"])
    return shown, durations


def test_pixels_appear_in_the_order_of_generation():
    domain, x = cr.Domain.image(1, 2, 2, levels=2), torch.ones(1, 1, 2, 2, dtype=torch.int64)
    site = torch.tensor([[[3, 0], [2, 1]]])  # not the raster's
    shown = frames(x, domain, site)
    assert len(shown) == 5  # nothing, and one pixel more each time
    centres = [[canvas[y, x, 0] for y, x in ((14, 14), (14, 38), (38, 14), (38, 38))] for canvas in shown]
    assert centres[0] == [UNDRAWN] * 4 and centres[-1] == [255] * 4
    for k, drawn in enumerate(([], [1], [1, 3], [1, 2, 3], [0, 1, 2, 3])):
        assert [i for i in range(4) if centres[k][i] == 255] == drawn


def test_frames_are_bounded():
    domain = cr.Domain.image(1, 32, 32, levels=2)
    shown = frames(
        torch.ones(1, *domain.event_shape, dtype=torch.int64), domain, torch.arange(1024).view(1, 32, 32)
    )
    assert len(shown) == FRAMES and (shown[0] == 255).sum() == 0
    assert (shown[-1] == UNDRAWN).sum() == 0


def test_rolls_and_recordings_grow_to_the_right():
    roll = cr.Domain.sequence(6, 2, width=3)
    shown = frames(torch.ones(1, 6, 3, dtype=torch.int64), roll, torch.arange(6)[:, None].expand(6, 3))
    drawn = [(canvas == 255).any((0, 2)).sum() for canvas in shown]
    assert drawn == sorted(drawn) and drawn[0] == 0 and len(shown) == 7
    sound = cr.Domain.sequence(64, 256, lengths="given")
    wave = frames(torch.randint(256, (2, 64)), sound, torch.arange(64), rate=8000)
    half = wave[len(wave) // 2]
    assert half.shape[0] == 2 * (WAVE[0] + 2) + 2
    assert (half[:, -100:-10] != UNDRAWN).sum() == (
        half[:, -100:-10] == 200
    ).sum()  # the lines of the grid alone
    assert (half[2 : WAVE[0], 10:100] == 0).any()


def test_texts_grow_where_their_symbols_are_drawn():
    domain = cr.Domain.sequence(6, 28, lengths="ends")
    x = torch.tensor([[1, 2, 0, 3, 27, -1], [4, 27, -1, -1, -1, -1]])
    writing = Characters(" " + string.ascii_lowercase)
    backwards = torch.arange(5, -1, -1)
    at = [texts_at(x, domain, writing, backwards < moment) for moment in (0, 2, 3, 4, 6)]
    assert at == ["····\n·", "····\n·", "···c\n·", "·· c\n·", "ab c\nd"]
    shown = frames(x, domain, backwards, writing=writing)
    assert len(shown) == 7 and len({canvas.shape for canvas in shown}) == 1
    assert np.array_equal(shown[-1], typed(at)[-1]) and not np.array_equal(shown[-2], shown[-1])


def test_long_texts_are_wrapped_and_bytes_are_read_as_utf8():
    text = "é" * 40 + "\n" + "x" * 70
    levels = torch.tensor(list(text.encode()))[None]
    domain = cr.Domain.sequence(levels.shape[1], 256)
    whole = texts_at(levels, domain, Bytes(), torch.ones(levels.shape[1], dtype=torch.bool))
    assert whole == "é" * 40 + "\n" + "x" * 64 + "\n" + "x" * 6


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    write_run(folder, "causal-conv1d", channels=4, depth=2, ordering="reversed")
    return folder


def test_sample_writes_a_gif(run, tmp_path):
    paths = tmp_path / "x.gif", tmp_path / "x.png"
    for path in paths:
        assert main(["sample", str(run), "-n", "4", "-o", str(path), "--device", "cpu"]) == 0
    shown, durations = gif(paths[0])
    assert (
        len(shown) == 65 and durations[0] == 90 and durations[-1] == 2000
    )  # 64 pixels; hundredths of a second
    assert np.array_equal(shown[-1], np.asarray(Image.open(paths[1]).convert("RGB")))
    grey = [(each == UNDRAWN).all(-1).sum() for each in shown]
    assert grey == sorted(grey, reverse=True)
    first = shown[1]  # in the reversed ordering the last pixel is drawn first
    assert (first[10, 10] == UNDRAWN).all() and not (first[45, 45] == UNDRAWN).all()


def test_a_completion_begins_with_what_is_kept(run, tmp_path):
    paths = tmp_path / "x.gif", tmp_path / "x.npy"
    keep = ["--keep", "bottom", "--items", "2", "-n", "3", "--device", "cpu"]  # drawn first in this ordering
    for path in paths:
        assert main(["complete", str(run), "digits", "-o", str(path), *keep]) == 0
    shown, durations = gif(paths[0])
    assert len(shown) == 33 and set(durations[:-1]) == {
        180
    }  # 32 of 64 pixels are drawn, from the first frame on
    tall = 8 * 6 + 2
    grey = (shown[0] == UNDRAWN).all(-1)
    assert grey[2 : 2 + 24, 2:50].all() and not grey[2 + 24 : tall, 2:50].any()
    expected = image_grid(torch.from_numpy(np.load(paths[1])), cr.load_data("digits").domain, columns=3)
    assert np.array_equal(shown[-1], np.asarray(expected.convert("RGB")))


def test_names_are_typed(tmp_path):
    paths = [tmp_path / name for name in ("x.gif", "x.txt")]
    for path in paths:
        assert main(["sample", "zoo:names", "-n", "4", "-o", str(path), "--device", "cpu"]) == 0
    assert begins_with(gif(paths[0])[0][-1], paths[1].read_text().splitlines())


@pytest.mark.parametrize("length", [[], ["--length", "40"]], ids=["the window", "longer"])
def test_a_prompt_is_there_from_the_first_frame(tmp_path, length):
    paths = [tmp_path / name for name in ("x.gif", "x.txt")]
    for path in paths:
        asked = ["--prompt", "ada", *length, "-n", "3", "-o", str(path), "--device", "cpu"]
        assert main(["continue", "zoo:names", *asked]) == 0
    lines = paths[1].read_text().splitlines()
    shown = gif(paths[0])[0]
    assert len(shown) > 2
    assert begins_with(shown[0], ["ada" + "·" * (len(line) - 3) for line in lines])
    assert begins_with(shown[-1], lines)


def begins_with(canvas, lines):
    """Whether a canvas shows these lines in its upper left corner."""
    (expected,) = typed(["\n".join(lines)])
    return np.array_equal(canvas[: len(expected), : expected.shape[1], :1], expected)


def test_what_has_no_order_is_refused(run, tmp_path, capsys):
    write_run(tmp_path / "vae", "vae", channels=8, latent=2)
    assert main(["sample", str(tmp_path / "vae"), "-o", str(tmp_path / "x.gif")]) == 1
    assert "draws without one ordering" in capsys.readouterr().err
    write_run(tmp_path / "reals", "gaussian", domain=cr.Domain.vector(3))
    assert main(["sample", str(tmp_path / "reals"), "-o", str(tmp_path / "x.gif")]) == 1
    assert "real-valued" in capsys.readouterr().err


FAKE = """#!/bin/sh
for last; do :; done
printf '%s\\n' "$@" > "$(dirname "$0")/arguments"
wc -c > "$(dirname "$0")/bytes"
printf film > "$last"
exit $(cat "$(dirname "$0")/status")
"""


@pytest.mark.parametrize("status", [0, 1])
def test_an_mp4_gets_every_frame_or_is_not_there(run, tmp_path, monkeypatch, capsys, status):
    """By a program that takes ffmpeg's place."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "status").write_text(str(status))
    (place / "ffmpeg").write_text(FAKE)
    (place / "ffmpeg").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(place), prepend=os.pathsep)
    out = tmp_path / "x.mp4"
    assert main(["sample", str(run), "-n", "1", "-o", str(out), "--device", "cpu"]) == status
    assert out.exists() == (status == 0)
    assert int((place / "bytes").read_text()) == 65 * 52 * 52 * 3  # 8×8 pixels sixfold, and the lines around
    assert "52x52" in (place / "arguments").read_text()
    assert status == 0 or "ffmpeg failed" in capsys.readouterr().err


def test_without_ffmpeg_the_way_out_is_named(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    assert main(["sample", str(run), "-o", str(tmp_path / "x.mp4")]) == 1
    assert "pip install 'chainrule[video]'; or write a .gif" in capsys.readouterr().err
