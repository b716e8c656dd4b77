"""What layers read, where the bits of images are, what can be kept, nearest neighbours: pictures by their data."""

import contextlib
import math
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.heads import Categorical
from chainrule.layers import Scalar
from chainrule.networks import Network
from chainrule.report import draw_bits, draw_receptive_fields
from chainrule.report.fields import blind_pixels, earlier_pixels
from chainrule.tasks import known_mask, nearest, receptive_field, receptive_fields
from digits_run import write_run
from test_cli import call

ROOT = Path(__file__).parent.parent
GREY, COLOUR = cr.Domain.image(1, 5, 5, levels=3), cr.Domain.image(3, 5, 5, levels=3)
TINY = {"channels": 4, "depth": 3, "kernel_size": 2}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are made into pictures."""
    figures = []

    def keep(figure):
        figures.append(figure)
        return b"png"

    for module in ("fields", "bits", "structure"):
        monkeypatch.setattr(f"chainrule.report.{module}.to_png", keep)
    return figures


# --- nets of maps, with a known receptive field -------------------------------------------------------


class Cone(nn.Module):
    """Features of a pixel read the pixel itself, and in the row above that one and the next to its left and right."""

    def forward(self, maps):
        """Two copies of opposite sign: of their sum all gradients are 0. And what is no map."""
        above = F.pad(maps, (1, 1, 1, 0))[:, :, :-1]
        sums = sum(above[..., i : i + maps.shape[3]] for i in range(3)) + 10 * maps
        return torch.cat([sums, -sums], 1), maps.flatten(1), sums


class Maps(Network):
    """Sites are pixels: shifted by one, then layers whose outputs are tuples of maps."""

    def __init__(self, domain, depth=2):
        super().__init__()
        self.shape, self.code = domain.event_shape, Scalar()
        self.wide = nn.ModuleList([Cone() for _ in range(depth)])
        self.out = nn.Linear(2 * domain.event_shape[0], domain.event_shape[0] * domain.levels)

    def forward(self, sites, cond=None):
        _, height, width = self.shape
        before = F.pad(self.code(sites)[:, :-1], (0, 0, 1, 0))
        maps = before.transpose(1, 2).unflatten(2, (height, width))
        for layer in self.wide:
            both, *_ = layer(maps)
            maps = both[:, : maps.shape[1]]
        return self.out(both.flatten(2).transpose(1, 2))

    @property
    def encoder(self):
        return self.code

    @property
    def depths(self):
        return {"narrow": self.wide[0], "wide": self.wide[1]}

    init_state = step = prefill = None


def maps_of(domain):
    torch.manual_seed(0)
    model = cr.AutoregressiveModel(Maps(domain), domain, Categorical(3))
    model.name = "maps"
    return model, torch.zeros(2, *domain.event_shape, dtype=torch.int64)


def pixels(field):
    """Rows of marks: which pixels are read."""
    return ["".join(".#"[int(value > 0)] for value in row) for row in field.sum(0)]


def test_layers_of_maps():
    """Of pixel (2, 2): behind the shift by one, a layer reads (2, 1) and three pixels above it, and so on up."""
    model, x = maps_of(GREY)
    fields = receptive_fields(model, x, 12)
    assert list(fields) == ["narrow", "wide", "output"]
    assert pixels(fields["narrow"]) == [".....", "###..", ".#...", ".....", "....."]
    assert pixels(fields["wide"]) == ["####.", "###..", ".#...", ".....", "....."]
    assert torch.equal(fields["output"] > 0, receptive_field(model, x, 12) > 0)
    assert model.training and not any(layer._forward_hooks for layer in model.modules())


@pytest.mark.parametrize("ordering", ["natural", "random-3"])
def test_layers_of_sequences(ordering):
    model = cr.create_model("causal-conv1d", GREY, ordering=ordering, **TINY)
    x = torch.randint(0, 3, (4, 1, 5, 5), generator=torch.Generator().manual_seed(0))
    fields = receptive_fields(model, x, 20)
    reads = {
        name: model.ordering.flatten(field[None])[0].nonzero().flatten() for name, field in fields.items()
    }
    # The last convolution gives the parameters: they are the output.
    assert {name: sites.tolist() for name, sites in reads.items()} == {
        "layer 1": [18, 19], "layer 2": [17, 18, 19], "output": [16, 17, 18, 19],
    }  # fmt: skip
    assert torch.equal(receptive_fields(model, x)["output"], receptive_fields(model, x, 12)["output"])
    for site in (-1, 25):
        with pytest.raises(ChainruleError, match=f"site: expected one of 0 … 24, got {site}"):
            receptive_fields(model, x, site)


@pytest.mark.parametrize("name", cr.list_models())
def test_the_output_reads_what_is_declared(name):
    domain = cr.Domain.image(1, 3, 3, levels=2)
    try:
        model = cr.create_model(name, domain).factorisation
    except ChainruleError as error:
        pytest.skip(str(error))
    if model.network.encoder is None:
        pytest.skip("no encoder")
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    x = torch.randint(0, 2, (8, 1, 3, 3), generator=generator)
    fields = receptive_fields(model, x, 4)
    declared = model.ordering.unflatten(model.connectivity()[4][None])[0]
    assert list(fields)[-1] == "output"
    for field in fields.values():  # a layer may read less, not more
        assert not ((field > 0) & ~declared).any()
    assert torch.equal(fields["output"] > 0, declared)


def test_which_layers_there_are():
    def names(name, **hyperparameters):
        network = cr.create_model(name, GREY, **hyperparameters).network
        return [type(layer).__name__ for layer in network.depths.values()]

    assert names("causal-conv1d", **TINY) == ["CausalConv1d"] * 3
    assert names("lstm", depth=2) == ["Pointwise", "Recurrent", "Recurrent"]
    assert names("made", hidden=(8, 8)) == ["MaskedLinear"] * 2
    assert names("conv-nade", depth=3, channels=4) == ["Conv2d", *["Sequential"] * 3]
    assert names("nade", hidden=4) == []
    network = cr.create_model("gru", GREY).network
    assert list(network.depths) == ["layer 1", "layer 2", "layer 3"]


# --- the picture of receptive fields ------------------------------------------------------------------


def test_blind_pixels():
    read = torch.tensor([[0, 0, 0, 0, 0], [0, 1, 1, 1, 1], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()
    model = cr.create_model("uniform", cr.Domain.image(3, 4, 5, levels=2))
    earlier = earlier_pixels(model, site=3 * 14)  # the first colour of (2, 4)
    assert earlier.flatten().tolist() == [True] * 14 + [False] * 6
    expected = torch.zeros(4, 5, dtype=torch.bool)
    expected[2, 3] = True
    assert torch.equal(blind_pixels(read, earlier), expected)
    assert not blind_pixels(torch.zeros_like(read), earlier).any()
    assert earlier_pixels(model, site=3 * 14 + 1).sum() == 14  # one colour of a pixel is not all of it


def test_the_picture_says_what_it_shows(drawn, tmp_path):
    model, x = maps_of(GREY)
    draw_receptive_fields(model, x, tmp_path / "f.png")
    (figure,) = drawn
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [
        "narrow\nreads 4 pixels, 1 blind",  # (2, 0), left of the one that is read
        "wide\nreads 8 pixels, 2 blind",  # also (1, 3)
        "output\nreads 8 pixels, 2 blind",
    ]
    blind, own, strength = (image.get_array() for image in figure.axes[0].images[1:])
    assert np.argwhere(blind == 1).tolist() == [[2, 0]]
    assert np.argwhere(own == 1).tolist() == [[2, 2]]
    assert np.argwhere(~np.ma.getmaskarray(np.ma.masked_invalid(strength))).tolist() == [
        [1, 0], [1, 1], [1, 2], [2, 1],
    ]  # fmt: skip
    assert strength.max() == 1
    assert (tmp_path / "f.png").read_bytes() == b"png"


def test_pictures_of_colours_and_of_nothing_read(drawn, tmp_path):
    model = cr.create_model("lstm", COLOUR, width=4, depth=1)
    x = model.sample(2, generator=torch.Generator().manual_seed(0))
    draw_receptive_fields(model, x, tmp_path / "f.png")
    assert drawn[0].axes[0].get_title() == "layer 1\nreads 1 pixel, 0 blind"
    model = cr.create_model("lstm", cr.Domain.image(1, 1, 1, levels=2), width=4)
    draw_receptive_fields(model, torch.zeros(1, 1, 1, 1, dtype=torch.int64), tmp_path / "f.png")
    assert "reads 0 pixels" in drawn[1].axes[0].get_title()
    sequence = cr.create_model("lstm", cr.Domain.sequence(5, levels=2), width=4)
    with pytest.raises(ChainruleError, match="expected a model of images, got one of sequence:5:2"):
        draw_receptive_fields(sequence, torch.zeros(1, 5, dtype=torch.int64), tmp_path / "f.png")


# --- commands -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    write_run(root / "plain", "causal-conv1d", **TINY)
    write_run(root / "classes", "causal-conv1d", classes=10, **TINY)
    write_run(root / "sequence", "lstm", domain=cr.Domain.sequence(6, levels=2), width=4)
    write_run(root / "mixed", "made-ensemble", hidden=(8,), masks=2, orderings=2)
    write_run(root / "vector", "made", domain=cr.Domain.image(1, 2, 2, levels=None), hidden=(8,))
    return root


def test_show_writes_both_pictures(runs, tmp_path):
    folder = shutil.copytree(runs / "plain", tmp_path / "plain")
    ended = call("show", folder)
    assert f"picture: {folder}/structure.png\npicture: {folder}/receptive-field.png\n" in ended.err
    for picture in ("structure", "receptive-field"):
        assert Image.open(folder / f"{picture}.png").format == "PNG"


def test_show_writes_where_it_is_told(runs, drawn, tmp_path):
    card = call("show", runs / "classes", "-o", tmp_path / "s.png", "--json").json
    assert card["receptive_field"] == str(tmp_path / "s-receptive-field.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s-receptive-field.png", "s.png"]
    # No image, no picture of pixels.
    assert "receptive_field" not in call("show", runs / "sequence", "-o", tmp_path / "q.png", "--json").json
    assert not (tmp_path / "q-receptive-field.png").exists()


def test_draw_bits(drawn, tmp_path):
    x = torch.tensor([0, 1, 2, 2]).reshape(2, 2, 1, 1).expand(2, 2, 1, 3)
    x = torch.cat([x, x[:, :1]], 1)  # three colours of 1×3 pixels
    log_prob = -math.log(2) * torch.arange(18.0).reshape(2, 3, 1, 3)
    draw_bits(x, log_prob, cr.Domain.image(3, 1, 3, levels=3), tmp_path / "b.png")
    axes = drawn[0].axes
    assert [a.get_title() for a in axes if a.get_title()] == ["4.00 bits/dim", "13.00 bits/dim"]
    assert axes[0].images[0].get_array().tolist() == [[[0, 128, 0]] * 3]
    # Summed over colours: 0 + 3 + 6, … One scale for both.
    assert np.allclose(axes[2].images[0].get_array(), [[9, 12, 15]])
    assert np.allclose(axes[3].images[0].get_array(), [[36, 39, 42]])
    assert axes[2].images[0].get_clim() == axes[3].images[0].get_clim() == pytest.approx((0, 42))


def test_show_bits(runs, drawn, tmp_path):
    data, model = cr.load_data("digits"), cr.load(runs / "plain")
    result = call(
        "show", runs / "plain", "--bits", "digits", "--items", "3", "-o", tmp_path / "b.png", "--json"
    )
    with torch.no_grad():
        expected = -model.log_prob(data.test[:8]) / (64 * math.log(2))
    assert result.json["bits_per_dim"] == pytest.approx(expected[:3].tolist(), rel=1e-5)
    assert result.json["items"] == 3 and (tmp_path / "b.png").is_file()
    titles = [axes.get_title() for axes in drawn[0].axes if axes.get_title()]
    assert titles == [f"{bits:.2f} bits/dim" for bits in expected[:3]]
    ended = call("show", runs / "plain", "--bits", "digits", "-o", tmp_path / "b.png")
    assert ended.err == f"8 images, {expected.mean():.3f} bits/dim on average: {tmp_path}/b.png\n"


def test_bits_of_a_model_of_classes(runs, tmp_path, drawn):
    data, model = cr.load_data("digits"), cr.load(runs / "classes")

    def bits(source, *options):
        ended = call("show", runs / "classes", "--bits", source, "-o", tmp_path / "b.png", *options, "--json")
        return ended.json["bits_per_dim"]

    def expected(cond):
        with torch.no_grad():
            return (-model.log_prob(data.test[:2], cond) / (64 * math.log(2))).tolist()

    np.save(tmp_path / "two.npy", data.test[:2].numpy())
    assert bits("digits", "--items", "2") == pytest.approx(expected(data.labels["test"][:2]), rel=1e-5)
    sevens = pytest.approx(expected(torch.tensor([7, 7])), rel=1e-5)
    assert (
        bits("digits", "--items", "2", "--label", "7") == bits(tmp_path / "two.npy", "--label", "7") == sevens
    )


def test_what_has_no_bits(runs, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8), int))

    def error(name, source="digits", *options):
        return call("show", runs / name, "--bits", source, "-o", tmp_path / "b.png", *options).error

    assert "made-ensemble mixes 2 orderings, so a pixel has no bits of its own" in error("mixed")
    assert "expected a model of images of levels" in error("sequence")
    assert "expected a model of images of levels" in error("vector")
    assert "has no labels; expected --label, a class in [0, 10)" in error("classes", tmp_path / "x.npy")
    assert "--label: expected a class in [0, 10), got 10" in error("classes", "digits", "--label", "10")
    assert "not conditioned on a class; got 1" in error("plain", "digits", "--label", "1")
    assert "did you mean 'digits'" in error("plain", "digit")
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("keep", ["top", "bottom", "left", "right", "0.3", "mask.npy"])
def test_any_part_can_be_kept(runs, keep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((8, 8), bool)
    if keep == "mask.npy":
        mask[5, 2:4] = True
        np.save(keep, mask)
    else:
        rows, columns = {
            "top": (slice(4), slice(8)), "bottom": (slice(4, 8), slice(8)),
            "left": (slice(8), slice(4)), "right": (slice(8), slice(4, 8)), "0.3": (slice(2), slice(8)),
        }[keep]  # fmt: skip
        mask[rows, columns] = True
        mask[2, :3] |= keep == "0.3"  # 19 of 64 pixels
    options = ("complete", runs / "plain", "digits", "--keep", keep, "--items", "3", "-n", "2", "-o", "c.npy")
    ended = call(*options)
    kept, digits = np.load("c.npy").reshape(3, 2, 8, 8), cr.load_data("digits").test[:3, 0].numpy()
    assert np.array_equal(kept[:, :, mask], digits[:, None, mask].repeat(2, 1))
    assert (kept[:, :, ~mask] != digits[:, None, ~mask]).any()
    last = f"3 items, {mask.sum()} of 64 variables kept, 2 draws each: c.npy"
    if keep in ("top", "0.3"):  # all that is kept comes first
        assert ended.err == f"{last}\n"
        return
    note, *rest = ended.err.splitlines()
    assert rest == [last]
    assert note.startswith("note: known variables follow unknown ones in the ordering")
    assert "--particles 64, say" in note and "particles=" not in note
    assert call(*options, "--particles", "4").err == f"{last}\n"


def test_halves_of_odd_sizes():
    tall, wide = cr.Domain.image(1, 5, 1, levels=2), cr.Domain.image(2, 1, 3, levels=2)
    assert known_mask(tall, "bottom").flatten().tolist() == [0, 0, 0, 1, 1]
    assert known_mask(wide, "right").tolist() == [[[False, False, True]]] * 2
    with pytest.raises(ChainruleError, match=r"'bottom' is for images.*vector:4:2"):
        known_mask(cr.Domain.binary(4), "bottom")


# --- neighbours ---------------------------------------------------------------------------------------


def test_nearest_is_what_a_full_search_finds():
    generator = torch.Generator().manual_seed(0)
    x, among = (torch.randint(0, 99, (n, 1, 4, 4), generator=generator) for n in (5, 33))
    among[20] = x[3]
    direct = (x.flatten(1)[:, None] - among.flatten(1)).double().pow(2).sum(2).sqrt()
    for chunk in (4, 33, 1000):
        distances, which = nearest(x, among, 3, chunk=chunk)
        assert torch.equal(which, direct.topk(3, largest=False).indices)
        torch.testing.assert_close(distances.double(), direct.topk(3, largest=False).values)
        assert (distances[3, 0], which[3, 0]) == (0, 20)  # exactly 0: a copy
    assert nearest(x, among[:2], 3)[1].shape == (5, 2)


# --- the page of the documentation --------------------------------------------------------------------


def test_the_page_on_images_runs(runs, drawn, tmp_path, monkeypatch):
    """Every command and block, in order, on an untrained model; what is printed has the same words."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs / "classes", tmp_path / "runs" / "digits-classes")
    page = (ROOT / "docs" / "how-to" / "images.md").read_text()
    names, commands = {}, 0
    for kind, block in re.findall(r"```(\w*)\n(.*?)```", page, re.DOTALL):
        if kind == "python":
            with contextlib.redirect_stdout(None):
                exec(block, names)
            continue
        for command, shown in re.findall(r"^\$ chainrule (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            arguments = shlex.split(command.partition("|")[0])
            if arguments[0] == "train":
                continue
            commands += 1
            ended = call(*arguments)
            assert ended.status == 0, ended.err
            if shown.startswith(("note", "picture")) or re.match(r"\d", shown):
                said = "".join(ended.err.splitlines(True)[-len(shown.splitlines()) :])
                assert re.sub(r"[\d.]+", "0", said) == re.sub(r"[\d.]+", "0", shown), command
    assert commands == 9
    for name in re.findall(r"\]\(\.\./(pictures/.*?)\)", page):
        assert (ROOT / "docs" / name).is_file()
    assert names["classify"](names["model"], names["data"].test[:5], names["prior"]).shape == (5, 10)
