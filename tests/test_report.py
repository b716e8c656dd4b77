"""Pictures pixel by pixel, files that read back, and a page that needs no other file."""

import base64
import html
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule as cr
from chainrule.data import Data
from chainrule.data.writing import Characters
from chainrule.errors import ChainruleError
from chainrule.report import completion_grid, draw_structure, export_items, image_grid, write_report
from chainrule.report.curves import learning_curve
from chainrule.tasks import evaluate
from chainrule.training import Run

GREY, COLOUR = cr.Domain.image(1, 2, 3, levels=4), cr.Domain.image(3, 2, 2, levels=256)
REALS, TEXT = cr.Domain.vector(3), cr.Domain.sequence(5, levels=3)
LINE, PAPER = 200, 255


def tile(picture, row, column, shape, zoom):
    """A tile of a grid, one value for each of its enlarged pixels."""
    height, width = shape
    top, left = 2 + row * (height * zoom + 2), 2 + column * (width * zoom + 2)
    area = np.asarray(picture)[top : top + height * zoom, left : left + width * zoom]
    small = area[::zoom, ::zoom]
    assert np.array_equal(small.repeat(zoom, 0).repeat(zoom, 1), area)  # enlarged without smoothing
    return small


# --- grids --------------------------------------------------------------------------------------------


def test_image_grid_shows_each_level_as_its_shade():
    x = torch.tensor([[[[0, 1, 2], [3, 2, 1]]], [[[3, 3, 3], [0, 0, 0]]], [[[1, 1, 1], [2, 2, 2]]]])
    picture = image_grid(x, GREY, columns=2)
    assert picture.mode == "L"
    zoom = 16
    assert picture.size == (2 + 2 * (3 * zoom + 2), 2 + 2 * (2 * zoom + 2))
    for i in range(3):
        assert np.array_equal(tile(picture, i // 2, i % 2, (2, 3), zoom), 85 * x[i, 0].numpy())
    assert (tile(picture, 1, 1, (2, 3), zoom) == PAPER).all()  # the place left over
    pixels = np.asarray(picture)
    assert (pixels[:2] == LINE).all() and (pixels[:, :2] == LINE).all() and (pixels[-2:] == LINE).all()
    assert image_grid(x[[0] * 9], GREY).size == (2 + 3 * 50, 2 + 3 * 34)  # a square by default


def test_image_grid_in_colour():
    x = torch.randint(0, 256, (2, 3, 2, 2), generator=torch.Generator().manual_seed(0))
    picture = image_grid(x, COLOUR, columns=1)
    assert picture.mode == "RGB"
    for i in range(2):
        assert np.array_equal(tile(picture, i, 0, (2, 2), 24), x[i].permute(1, 2, 0).numpy())


def test_image_grid_of_sequences_is_one_row_each():
    x = torch.tensor([[0, 1, 2, 2, 0], [2, 2, 2, 0, 1]])
    picture = image_grid(x, TEXT)
    for i in range(2):
        assert tile(picture, i, 0, (1, 5), 12)[0].tolist() == [[0, 128, 255][level] for level in x[i]]


def test_completion_grid_is_original_kept_and_draws():
    x = torch.tensor([[[[0, 1, 2], [3, 2, 1]]], [[[3, 3, 3], [1, 1, 1]]]])
    known = torch.tensor([[[True, True, False], [False, False, True]]])
    drawn = torch.randint(0, 4, (2, 3, 1, 2, 3), generator=torch.Generator().manual_seed(0))
    picture = completion_grid(x, known, drawn, GREY)
    assert picture.size == (2 + 5 * 50, 2 + 2 * 34)
    for i in range(2):
        assert np.array_equal(tile(picture, i, 0, (2, 3), 16), 85 * x[i, 0].numpy())
        kept = np.where(known[0].numpy(), 85 * x[i, 0].numpy(), 128)
        assert np.array_equal(tile(picture, i, 1, (2, 3), 16), kept)
        for j in range(3):
            assert np.array_equal(tile(picture, i, 2 + j, (2, 3), 16), 85 * drawn[i, j, 0].numpy())


def test_reals_have_no_shades():
    with pytest.raises(ChainruleError, match="vector:3:real is real-valued"):
        image_grid(torch.zeros(1, 3), REALS)


# --- export -------------------------------------------------------------------------------------------


@pytest.fixture
def levels():
    return torch.randint(0, 4, (5, 1, 2, 3), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def reals():
    return torch.randn(7, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1e-9, 1.0, 1e9])


def test_arrays_come_back(tmp_path, levels, reals):
    for x, domain in ((levels, GREY), (reals, REALS), (reals.double() / 3, REALS)):
        export_items(x, domain, tmp_path / "x.npy")
        back = torch.from_numpy(np.load(tmp_path / "x.npy"))
        assert torch.equal(back, x) and back.dtype == x.dtype

        export_items(x, domain, tmp_path / "x.csv")
        rows = np.loadtxt(tmp_path / "x.csv", delimiter=",", dtype=x.numpy().dtype)
        assert np.array_equal(rows, x.flatten(1).numpy())  # to the last bit

        export_items(x, domain, tmp_path / "x.txt")
        assert np.array_equal(np.loadtxt(tmp_path / "x.txt", dtype=x.numpy().dtype), x.flatten(1).numpy())
    export_items(levels, GREY, tmp_path / "levels.csv")
    assert "." not in (tmp_path / "levels.csv").read_text()


def test_an_exported_array_is_data_again(tmp_path, levels):
    export_items(levels, GREY, tmp_path / "x.npy")
    data = cr.load_data(tmp_path / "x.npy", domain=GREY)
    back = torch.cat([data.train, data.valid, data.test]).long()
    assert sorted(back.flatten(1).tolist()) == sorted(levels.flatten(1).tolist())


def test_pictures_come_back(tmp_path, levels):
    for name in ("x.png", "X.PNG"):
        export_items(levels, GREY, tmp_path / name)
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
            assert np.array_equal(np.asarray(picture), np.asarray(image_grid(levels, GREY)))


def test_text_comes_back(tmp_path):
    x = torch.tensor([[0, 1, 2, 1, 0], [2, 2, 2, 0, 0]])
    export_items(x, TEXT, tmp_path / "x.txt", writing=Characters("aé∈"))
    assert (tmp_path / "x.txt").read_text(encoding="utf-8") == "aé∈éa\n∈∈∈aa\n"
    export_items(x, TEXT, tmp_path / "x.txt", writing=Characters("ab"))  # a domain with a level to spare
    assert (tmp_path / "x.txt").read_text(encoding="utf-8") == "ab\ufffdba\n\ufffd\ufffd\ufffdaa\n"


@pytest.mark.parametrize(
    ("name", "domain", "message"),
    [
        ("x.jpg", GREY, r"x\.jpg: expected the ending \.png or .*, got \.jpg"),
        ("x", GREY, "expected the ending .*, got none"),
        ("folder.npy", GREY, r"folder\.npy: expected a file to write, got a folder"),
        ("x.png", REALS, "is real-valued"),
    ],
)
def test_export_refuses_before_it_writes(tmp_path, name, domain, message):
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ChainruleError, match=message):
        export_items(torch.zeros(1, *domain.event_shape), domain, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npy"]


# --- the page -----------------------------------------------------------------------------------------


@pytest.fixture
def digits_like():
    generator = torch.Generator().manual_seed(0)
    domain = cr.Domain.image(1, 4, 4, levels=3)
    x = {split: torch.randint(0, 3, (n, 1, 4, 4), generator=generator, dtype=torch.uint8)
         for split, n in (("train", 30), ("valid", 10), ("test", 10))}  # fmt: skip
    labels = {split: torch.arange(len(part)) % 2 for split, part in x.items()}
    return Data("<made up>", **x, domain=domain, labels=labels, source="a & b")


def made_run(folder, data, valid_nats=(17.0, 16.5, 16.75), **hyperparameters):
    """A run as training leaves it, without the training."""
    torch.manual_seed(0)
    model = cr.create_model("causal-conv1d", data.domain, channels=4, depth=2, **hyperparameters).eval()
    row = {"step": 1, "train_nats": 17.0, "valid_bits_per_dim": 1.0, "lr": 0.1}
    metrics = [
        {"epoch": i, "valid_nats": v, "seconds": 1.5 * (i + 1), **row} for i, v in enumerate(valid_nats)
    ]
    return Run(folder, model, {"model": "causal-conv1d", "training": {"lr": 0.125}}, metrics)


def pictures(page):
    """The pictures in a page, by their descriptions."""
    found = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', page)
    return {name: Image.open(io.BytesIO(base64.b64decode(data))) for data, name in found}


@pytest.mark.parametrize("classes", [None, 2])
def test_report_shows_the_numbers_and_the_pictures(tmp_path, digits_like, classes):
    run = made_run(tmp_path, digits_like, classes=classes)
    path = write_report(run, digits_like, command="chainrule train <x> --data 'a b'")
    assert path == tmp_path / "report.html"
    page = path.read_text(encoding="utf-8")

    result = evaluate(run.model, digits_like, "valid")
    for value in (result.model, *result.baselines.values()):
        assert f"{value.nats:.2f} ± {value.nats_se:.2f}" in page
        assert f"{value.bits_per_dim:.3f} ± {value.bits_per_dim_se:.3f}" in page
    parameters = sum(p.numel() for p in run.model.parameters())
    plain = html.unescape(page)
    for text in ("causal-conv1d on <made up>", "a & b", f"{parameters:,} parameters", "Best epoch 2, 3.0 s",
                 "chainrule train <x> --data 'a b'", "lr: 0.125"):  # fmt: skip
        assert text in plain
    assert "<made up>" not in page  # escaped

    shown = pictures(page)
    assert set(shown) == {
        "learning curve", "samples", "real items", "nearest training images", "completions",
    }  # fmt: skip
    assert np.array_equal(
        np.asarray(shown["real items"]), np.asarray(image_grid(digits_like.valid, digits_like.domain))
    )
    assert shown["completions"].size == (2 + 10 * 50, 2 + 8 * 50)
    assert ("the right one for" in page) == (classes is not None)
    if classes:
        assert f"the right one for {100 * result.accuracy:.1f} % of them" in page


def test_report_shows_the_training_images_nearest_to_samples(tmp_path, digits_like, monkeypatch):
    """Of a model that draws nothing but one training image."""
    run, known = made_run(tmp_path, digits_like), digits_like.train[5]
    monkeypatch.setattr(
        type(run.model), "sample", lambda self, n, *_, **__: known.long().expand(n, *known.shape)
    )
    page = write_report(run, digits_like).read_text(encoding="utf-8")
    plain = " ".join(page.split())
    n = min(64, len(digits_like.valid))
    assert f"of all {len(digits_like.train):,} (Euclidean distance)" in plain
    assert f"0.0 from {n} samples" in plain and f"Samples that are copies: {n}." in plain
    others = (digits_like.train.flatten(1).double() - known.flatten().double()).square().sum(1)
    grid = pictures(page)["nearest training images"]
    assert grid.size == (2 + 4 * 50, 2 + 8 * 50)
    rows = torch.cat([known[None], digits_like.train[others.argsort()[:3]]]).repeat(8, 1, 1, 1)
    assert np.array_equal(np.asarray(grid), np.asarray(image_grid(rows, digits_like.domain, columns=4)))

    monkeypatch.setattr("chainrule.report.page.SEARCHED", 5)
    page = " ".join(write_report(run, digits_like).read_text(encoding="utf-8").split())
    assert f"of the first 5 of {len(digits_like.train):,} (Euclidean" in page
    assert "Samples that are copies: 0." in page  # the sixth is not among them


def test_report_needs_no_other_file(tmp_path, digits_like):
    page = write_report(made_run(tmp_path, digits_like), digits_like).read_text(encoding="utf-8")
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]{0,22})', page)
    assert sources and set(sources) == {"data:image/png;base64,"}
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_report_is_written_whole(tmp_path, digits_like, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(self, text, **options):
        self.write_bytes(text.encode()[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ChainruleError, match=r"report\.html: cannot be written \(No space left"):
        write_report(made_run(tmp_path, digits_like), digits_like)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_report_of_text_and_of_reals(tmp_path):
    x = torch.tensor([[0, 1, 2, 1, 0], [2, 2, 2, 0, 0]])
    text = Data("words", x, x, x, TEXT, vocabulary=("a", "<", "c"))
    page = write_report(made_run(tmp_path, text), text).read_text(encoding="utf-8")
    assert "a&lt;c&lt;a\ncccaa\n" in page
    assert set(pictures(page)) == {"learning curve"}

    reals = Data("reals", *3 * [torch.randn(9, 3)], REALS)
    model = cr.create_model("gaussian", REALS)
    model.estimate(reals.train)
    page = write_report(Run(tmp_path, model, {}, []), reals).read_text(encoding="utf-8")
    assert not pictures(page)  # no training, no curve
    assert str(reals.valid[0, 0].numpy()) in page


@pytest.mark.parametrize(
    "nats", [[math.nan, 3.0, 2.0, math.nan], [-5.0], [0.0], [math.inf, 1e9, 5.0], [-3.0, -4.0]]
)
def test_any_curve_can_be_drawn(nats, recwarn):
    metrics = [{"epoch": i, "train_nats": v, "valid_nats": v} for i, v in enumerate(nats)]
    drawn = Image.open(io.BytesIO(learning_curve(metrics, {"uniform": 4.0, "gaussian": -4.5})))
    assert drawn.size == (552, 360)
    assert not recwarn.list  # such as matplotlib's on empty ranges


def test_a_curve_of_one_epoch_is_two_dots(monkeypatch):
    figures = []
    monkeypatch.setattr("chainrule.report.curves.to_png", lambda figure: figures.append(figure) or b"")
    learning_curve([{"epoch": 0, "train_nats": 9.0, "valid_nats": 5.0}], {})
    learning_curve([{"epoch": k, "train_nats": 9.0, "valid_nats": 5.0 - k} for k in range(2)], {})
    axes, other = (figure.axes[0] for figure in figures)
    train, valid = axes.lines[:2]
    low, high = axes.get_ylim()
    assert train.get_marker() == valid.get_marker() == "o" and low < 5.0 < 9.0 < high
    assert axes.get_xticks().tolist() == [1]
    assert [line.get_marker() for line in other.lines[:2]] == ["None", "None"]


def test_report_of_a_run_that_is_no_number(tmp_path, digits_like):
    run = made_run(tmp_path, digits_like, valid_nats=(math.nan, math.inf))
    assert run.best is None
    assert "learning curve" not in pictures(write_report(run, digits_like).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("causal-conv1d", cr.Domain.image(1, 4, 4, levels=3)),
        ("lstm", cr.Domain.image(3, 2, 2, levels=3)),
        ("finite-memory", cr.Domain.sequence(6, levels=3)),
        ("gaussian", cr.Domain.vector(4)),  # masks, no encoder
        ("count-table", cr.Domain.categorical(3, levels=(2, 3, 2))),  # connections alone
    ],
)
def test_structure_is_a_picture(tmp_path, name, domain):
    model = cr.create_model(name, domain)
    draw_structure(model, model.sample(4, generator=torch.Generator().manual_seed(0)), tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.format == "PNG"
        assert len(set(picture.convert("L").tobytes())) > 10


def test_structure_needs_something_to_draw(tmp_path):
    model = cr.create_model("independent", cr.Domain.binary(1025))
    with pytest.raises(ChainruleError, match="independent: nothing to draw: over 1024 variables"):
        draw_structure(model, torch.zeros(1, 1025, dtype=torch.int64), tmp_path / "s.png")
    assert not list(tmp_path.iterdir())
