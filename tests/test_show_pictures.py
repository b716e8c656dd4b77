"""`show` of models by name, untrained, and its pictures of orderings, temperatures, dilation and blind spots."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from matplotlib.collections import LineCollection

import chainrule as cr
from chainrule.cli import main
from chainrule.report.dilation import MOST, draw_dilation
from chainrule.report.fields import compare_receptive_fields
from chainrule.report.orderings import draw_orderings
from chainrule.report.temperatures import TEMPERATURES, draw_temperatures
from digits_run import write_run

ROOT = Path(__file__).parent.parent
GREY = cr.Domain.image(1, 7, 9, levels=2)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are made into pictures."""
    figures = []
    for module in ("fields", "orderings", "temperatures", "dilation"):
        monkeypatch.setattr(
            f"chainrule.report.{module}.to_png", lambda figure: figures.append(figure) or b"png"
        )
    return figures


def test_an_untrained_model_is_shown_by_name(tmp_path, capsys):
    command = ["show", "made", "--domain", "vector:4:2", "--set", "hidden=[6]", "--json", "-o"]
    assert main([*command, str(tmp_path / "a.png")]) == 0
    said = capsys.readouterr()
    card = json.loads(said.out)
    assert card["model"] == "made" and card["reads_at_most"] == 3 and (tmp_path / "a.png").exists()
    assert "untrained, seed 0" in said.err
    assert main([*command, str(tmp_path / "b.png"), "--seed", "1"]) == 0
    a, b = ((tmp_path / f"{name}.png").read_bytes() for name in "ab")
    assert a != b  # gradients are those of the weights, which are those of the seed


def test_without_a_domain_a_name_is_no_model(capsys):
    assert main(["show", "made"]) == 1
    assert "made: no such run;" in (said := capsys.readouterr().err) and "with --data or --domain" in said
    assert main(["show", "zoo:moons", "--set", "depth=3"]) == 1
    assert "--set: expected --data or --domain" in capsys.readouterr().err


def test_the_orderings_that_differ_are_drawn_with_their_places(drawn, tmp_path):
    model = cr.create_model("causal-conv1d", GREY, channels=4, depth=2, ordering="reversed")
    draw_orderings(model, tmp_path / "x.png")
    panels = [axes for axes in drawn[0].axes if axes.images and axes.texts]
    assert [axes.get_title() for axes in panels] == [
        "causal-conv1d, 63 sites",
        "ordering=natural",
        "ordering=random-0",
    ]
    for axes, first in zip(panels[:2], (62, 0), strict=True):
        image = axes.images[0].get_array()
        assert image.shape == (7, 9) and image[0, 0] == first and image[-1, -1] == 62 - first
        assert {int(text.get_text()): text.get_position() for text in axes.texts}[first] == (0, 0)


def test_a_row_of_each_temperature_has_the_same_noise(drawn, tmp_path):
    model = cr.create_model("causal-conv1d", GREY, channels=4, depth=2).eval()
    draw_temperatures(model, tmp_path / "x.png", 3)
    rows = [drawn[0].axes[i : i + 3] for i in range(0, len(drawn[0].axes), 3)]
    assert [row[0].get_ylabel() for row in rows] == [f"T = {t:g}" for t in TEMPERATURES]
    samples = [torch.stack([torch.tensor(axes.images[0].get_array()) for axes in row]) for row in rows]
    assert (samples[0] == samples[0][:1]).all()  # the most probable values need no noise
    plain = model.sample(3, generator=torch.Generator().manual_seed(0))[:, 0] * 255
    assert torch.equal(samples[TEMPERATURES.index(1.0)], plain)


def test_the_tree_of_dilated_convolutions(drawn, tmp_path):
    domain = cr.Domain.sequence(128, 4)
    draw_dilation(cr.create_model("wavenet", domain, depth=3, channels=4, skip=4), tmp_path / "x.png")
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "site before", *(f"2 taps, dilation {d}" for d in (1, 1, 2, 4))
    ]  # fmt: skip
    [lines] = [c for c in axes.collections if isinstance(c, LineCollection)]
    segments = {tuple(map(tuple, segment.tolist())) for segment in lines.get_segments()}
    assert {((0, 4), (0, 3)), ((0, 4), (-4, 3)), ((-4, 3), (-6, 2)), ((-7, 1), (-8, 0))} < segments
    assert min(x for _, (x, y) in segments if y == 0) == -8 and "reads 9 sites" in axes.get_title()
    draw_dilation(cr.create_model("tcn", domain, depth=5, channels=4), tmp_path / "x.png")
    assert f"the last {MOST} are drawn" in drawn[1].axes[0].get_title()
    with pytest.raises(cr.errors.ChainruleError, match="lstm: expected causal convolutions"):
        draw_dilation(cr.create_model("lstm", domain, width=4), tmp_path / "x.png")


def test_blind_spots_side_by_side(drawn, tmp_path):
    domain = cr.Domain.image(1, 11, 11, levels=2)
    models = []
    for name in ("pixelcnn", "gated-pixelcnn"):
        model = cr.create_model(name, domain, channels=8, depth=3).eval()
        models.append((model, model.sample(2), None))
    compare_receptive_fields(models, tmp_path / "x.png")
    titles = [axes.get_title() for axes in drawn[0].axes]
    blind = [int(re.search(r"(\d+) blind", title)[1]) for title in titles]
    assert titles[0].startswith("pixelcnn\n") and titles[1].startswith("gated-pixelcnn\n")
    assert blind[0] > 0 and blind[1] == 0


def test_several_runs_or_one_other_picture(tmp_path, capsys):
    for name in ("a", "b"):
        write_run(tmp_path / name, "causal-conv1d", channels=4, depth=2)
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert main(["show", a, b, "--json", "-o", str(tmp_path / "x.png")]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == ["causal-conv1d"] * 2
    assert main(["show", a, b, "--what", "orderings"]) == 1
    assert "expected one run or model" in capsys.readouterr().err
    assert main(["show", a, "--what", "orderings"]) == 0 and (tmp_path / "a" / "orderings.png").exists()
    assert main(["show", a, b, "-o", str(tmp_path / "a" / "model.safetensors")]) == 1
    write_run(tmp_path / "vae", "vae", channels=8, latent=2)
    assert main(["show", str(tmp_path / "vae"), "--what", "orderings"]) == 1
    assert "it has no ordering" in capsys.readouterr().err


def test_the_page_on_pictures_runs(tmp_path, monkeypatch):
    """Every command, and every picture is one that a command makes."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "how-to" / "pictures.md").read_text()
    commands = re.findall(r"^\$ chainrule (.*)$", page, re.MULTILINE)
    pictures = re.findall(r"\]\(../pictures/(.*?)\)", page)
    assert len(commands) == len(pictures) == 8
    for command, picture in zip(commands, pictures, strict=True):
        assert main([*shlex.split(command), "--quiet"]) == 0, command
        assert (tmp_path / picture).exists() and (
            ROOT / "docs" / "pictures" / picture
        ).stat().st_size < 200_000
