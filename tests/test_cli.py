"""The command line as a careless user meets it: results, files, and one line for each mistake."""

import contextlib
import io
import json
import math
import re
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule as cr
from chainrule.cli import main
from chainrule.cli.commands import COMMANDS
from chainrule.cli.parsing import parse_settings
from children import child, outcome

TINY = ("--set", "channels=8", "--epochs", "1", "--device", "cpu", "--json")
TEXT = "the cat sat on the mat\n" * 60


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        assert self.status == 0, self.err
        return json.loads(self.out, parse_constant=pytest.fail)  # NaN is no JSON

    @property
    def error(self):
        """The last line; asserts that the command failed as promised, in one line."""
        assert self.status == 1
        assert self.out == ""
        assert "Traceback" not in self.err
        *before, last = self.err.splitlines()
        assert last.startswith("error: ")
        assert not [line for line in before if "rror" in line]
        return last


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return Ended(status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The tiny runs, by name, and what `train` printed for them."""
    root = tmp_path_factory.mktemp("runs")
    (root / "words.txt").write_text(TEXT)
    np.save(root / "reals.npy", np.random.default_rng(0).normal(size=(60, 4)))
    commands = {
        "digits": ("causal-conv1d", "--data", "digits", *TINY),
        "classes": ("causal-conv1d", "--data", "digits", "--set", "classes=10", *TINY),
        "text": ("count-table", "--data", root / "words.txt", "--json"),
        "reals": ("gaussian", "--data", root / "reals.npy", "--json"),
    }
    return {name: (root / name, call("train", *c, "--out", root / name)) for name, c in commands.items()}


@pytest.fixture
def run(trained):
    return trained["digits"][0]


@pytest.fixture
def by_class(trained):
    return trained["classes"][0]


@pytest.fixture
def text(trained):
    return trained["text"][0]


@pytest.fixture
def reals(trained):
    return trained["reals"][0]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """What lands in the working directory lands here, and no data set but digits is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))


# --- what the commands do -----------------------------------------------------------------------------


def test_train_writes_a_whole_run(run, trained):
    result = trained["digits"][1].json
    assert {path.name for path in run.iterdir()} >= {
        "config.yaml", "model.json", "model.safetensors", "metrics.csv", "report.html", "checkpoints",
    }  # fmt: skip
    assert result["run"] == str(run)
    assert result["report"] == str(run / "report.html")
    assert (result["split"], result["n"]) == ("valid", 350)
    assert result["nats"] == pytest.approx(result["best"]["valid_nats"], rel=1e-3)  # bf16 there, float32 here
    page = (run / "report.html").read_text()
    assert "chainrule train causal-conv1d --data digits --set channels=8" in page
    assert f"{result['nats']:.2f}" in page
    assert not [path for path in run.rglob("*") if path.name.startswith(".")]


def test_the_configuration_of_a_run_repeats_it(run, tmp_path):
    assert call("train", run / "config.yaml", "--out", tmp_path / "again", "--device", "cpu").status == 0
    for name in ("config.yaml", "model.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes(), name


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_evaluate(run, split):
    result = call("evaluate", run, "--split", split, "--json").json
    model, data = cr.load(run), cr.load_data("digits")
    nats = -model.double().log_prob(getattr(data, split))
    assert (result["split"], result["n"]) == (split, len(nats))
    assert result["nats"] == pytest.approx(nats.mean().item(), rel=1e-5)
    assert result["nats_se"] == pytest.approx(nats.std().item() / math.sqrt(len(nats)), rel=1e-3)
    assert result["bits_per_dim"] == pytest.approx(result["nats"] / (64 * math.log(2)))
    assert result["baselines"]["uniform"]["nats"] == pytest.approx(64 * math.log(17))

    table = call("evaluate", run, "--split", split, "--no-baselines")
    assert f"{result['nats']:.2f} ± {result['nats_se']:.2f}" in table.out
    assert "uniform" not in table.out
    assert table.err == ""


def test_evaluate_uses_the_labels(by_class):
    model, data = cr.load(by_class), cr.load_data("digits")
    nats = -model.log_prob(data.test, data.labels["test"]).mean().item()
    assert call("evaluate", by_class, "--json").json["nats"] == pytest.approx(nats, rel=1e-5)


def test_evaluate_other_data(run, tmp_path):
    array = np.random.default_rng(0).integers(0, 17, (30, 8, 8))
    np.save(tmp_path / "other.npy", array)
    result = call("evaluate", run, "--data", tmp_path / "other.npy", "--split", "valid", "--json").json
    assert result["n"] == 3
    assert result["baselines"]["uniform"]["nats"] == pytest.approx(64 * math.log(17))


def test_numbers_that_are_not_finite_are_null_in_json(capsys):
    from chainrule.cli.output import print_json

    print_json({"a": [math.nan, math.inf, -math.inf, 1.5], "b": "NaN"})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "a": [None, None, None, 1.5], "b": "NaN",
    }  # fmt: skip


def test_sample_into_each_format(run, tmp_path):
    model = cr.load(run)
    expected = model.sample(5, generator=torch.Generator().manual_seed(3)).numpy()
    for name in ("s.npy", "s.csv", "s.txt", "s.png"):
        ended = call("sample", run, "-n", "5", "-o", tmp_path / name, "--seed", "3", "--json")
        assert ended.json == {"n": 5, "file": str(tmp_path / name), "items": None}
    assert np.array_equal(np.load(tmp_path / "s.npy"), expected)
    assert np.array_equal(np.loadtxt(tmp_path / "s.csv", delimiter=",", dtype=int), expected.reshape(5, 64))
    assert np.array_equal(np.loadtxt(tmp_path / "s.txt", dtype=int), expected.reshape(5, 64))
    assert np.asarray(Image.open(tmp_path / "s.png"))[2, 2] == round(expected[0, 0, 0, 0] * 255 / 16)
    assert call("sample", run, "-n", "5", "--seed", "3", "--json").json["items"] == expected.tolist()


def test_sample_obeys_its_options(run, by_class):
    def items(*options):
        return call("sample", *options, "-n", "3", "--json").json["items"]

    assert items(run) == items(run) != items(run, "--seed", "1")
    greedy = items(run, "--temperature", "0")
    assert greedy[0] == greedy[1]
    assert items(run, "--top-k", "1") == items(run, "--top-p", "1e-9", "--seed", "9") == greedy
    assert items(by_class, "--label", "3") != items(by_class, "--label", "4")
    model = cr.load(by_class)
    expected = model.sample(3, 3, generator=torch.Generator().manual_seed(0)).tolist()
    assert items(by_class, "--label", "3") == expected


def test_sample_without_a_file(run, text, reals, tmp_path):
    copied = shutil.copytree(run, tmp_path / "copied")
    ended = call("sample", copied, "-n", "4")
    assert (ended.status, ended.out) == (0, "")
    assert f"4 samples: {copied / 'samples.png'}" in ended.err
    with Image.open(copied / "samples.png") as picture:
        assert picture.size == (102, 102)

    ended = call("sample", text, "-n", "2")
    assert ended.status == 0
    assert len(ended.out) == 2 * (64 + 1)  # two items and an end of line after each
    assert set(ended.out) <= set(TEXT)
    assert (
        "".join(f"{item}\n" for item in call("sample", text, "-n", "2", "--json").json["items"]) == ended.out
    )

    assert [len(line.split()) for line in call("sample", reals, "-n", "3").out.splitlines()] == [4, 4, 4]


def test_sample_goes_on_from_a_prompt(text):
    drawn = call("sample", text, "-n", "3", "--prompt", "the cat", "--json").json["items"]
    assert [item[:7] for item in drawn] == ["the cat"] * 3
    assert {len(item) for item in drawn} == {64}


def test_complete_keeps_what_it_is_told(run, tmp_path):
    digits = cr.load_data("digits").test.numpy()
    out = tmp_path / "c.npy"
    ended = call("complete", run, "digits", "--keep", "top", "--items", "3", "-n", "2", "-o", out, "--json")
    assert ended.json == {"items": 3, "n": 2, "kept": 32, "of": 64, "file": str(out)}
    drawn = np.load(out).reshape(3, 2, 1, 8, 8)
    assert np.array_equal(drawn[..., :4, :], digits[:3, None, ..., :4, :].repeat(2, 1))
    assert (drawn[..., 4:, :] != digits[:3, None, ..., 4:, :]).any()
    assert (drawn[:, 0] != drawn[:, 1]).any()

    call("complete", run, "digits", "--keep", "top", "--items", "3", "-n", "2", "-o", tmp_path / "c.PNG")
    grid = np.asarray(Image.open(tmp_path / "c.PNG"))
    assert grid.shape == (2 + 3 * 50, 2 + 4 * 50)
    assert (grid[2 + 24 : 2 + 48, 52 : 52 + 48] == 128).all()  # what was not kept
    assert np.array_equal(grid[2 : 2 + 24, 52 : 52 + 48], grid[2 : 2 + 24, 2 : 2 + 48])


def test_complete_a_picture_under_a_mask(run, tmp_path):
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "white.png")
    mask = np.zeros((8, 8), np.uint8)
    mask[1, 2:5] = 9
    Image.fromarray(mask).save(tmp_path / "mask.png")
    ended = call(
        "complete", run, tmp_path / "white.png", "--keep", tmp_path / "mask.png", "-n", "3", "-o", "c.npy"
    )
    assert ended.status == 0
    assert "note: known variables follow unknown ones" in ended.err
    drawn = np.load("c.npy")
    assert drawn.shape == (3, 1, 8, 8)
    assert (drawn[:, 0, 1, 2:5] == 16).all()


def test_complete_given_a_class_and_text(by_class, text, tmp_path):
    assert call("complete", by_class, "digits", "--label", "2", "-n", "1", "-o", "c.npy").status == 0
    (tmp_path / "more.txt").write_text(TEXT)
    assert (
        call("complete", text, "more.txt", "--keep", "0.5", "-n", "1", "--items", "1", "-o", "c.txt").status
        == 0
    )
    assert (tmp_path / "c.txt").read_text()[:32] in TEXT


def test_show(run, by_class, reals):
    card = call("show", run, "-o", "s.png", "--json").json
    model = cr.load(run)
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    assert (card["model"], card["domain"], card["sites"]) == ("causal-conv1d", "image:1x8x8:17", 64)
    assert card["reads_at_most"] == model.connectivity().sum(1).max() == 25
    for folder in (run, by_class, reals):
        assert call("show", folder, "-o", "s.png").status == 0
        assert Image.open("s.png").format == "PNG"


def test_models_and_data():
    listed = call("models", "--json").json
    assert sorted(listed) == cr.list_models()
    assert listed["causal-conv1d"]["hyperparameters"]["kernel_size"] == 7
    table = call("models").out
    assert all(name in table for name in cr.list_models())

    sets = {entry["name"]: entry for entry in call("data", "--json").json}
    assert sets["digits"]["present"] and not sets["mnist"]["present"]
    assert all(name in call("data").out for name in sets)


def test_bench_and_reproduce(tmp_path):
    options = ("nade-training", "--batch", "2", "--repeats", "1")
    record = call("bench", *options, "-o", "b.json", "--json").json
    assert record == json.loads((tmp_path / "b.json").read_text())
    assert (record["case"], record["batch"]) == ("nade-training", 2)
    assert "unbound first" in call("bench", *options).out

    assert "uniform" in call("reproduce", "--json").json["digits"]
    (record,) = call("reproduce", "digits", "--only", "uniform", "--json", "--out", "r").json
    assert record["test"]["nats"] == pytest.approx(64 * math.log(17))
    assert json.loads((tmp_path / "r" / "digits" / "uniform.json").read_text()) == record


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_has_an_example(command):
    ended = call(*filter(None, (command, "--help")))
    assert (ended.status, ended.err) == (0, "")
    words = " ".join(ended.out.split())
    assert f"chainrule {command or 'train'} " in words.partition("Example")[2] + " "


def test_settings_are_read_as_yaml():
    given = [
        "a=1",
        "b-c=1e-3",
        "d=-2.5E+4",
        "e=[8, 8]",
        "f=true",
        "g=",
        "h=x=y",
        "i=1e3x",
        "j=.inf",
        "k='1e3'",
    ]
    assert parse_settings(given) == {
        "a": 1, "b_c": 1e-3, "d": -2.5e4, "e": [8, 8], "f": True, "g": None, "h": "x=y", "i": "1e3x",
        "j": math.inf, "k": "1e3",
    }  # fmt: skip
    assert type(parse_settings(["n=7"])["n"]) is int


def test_names_are_printed_as_they_are(run, tmp_path):
    """No markup, no emoji, no line breaks."""
    folder = tmp_path / "[b]" / "vector:100:17[" / ("long" * 30)
    assert call("sample", folder).error.startswith(f"error: {folder}: no such run; expected a run folder,")
    shutil.copytree(run, folder)
    assert f"1 samples: {folder / 'samples.png'}\n" == call("sample", folder, "-n", "1").err
    assert "vector:100:17[" in call("show", folder).out.replace("\n", "")


# --- how they fail ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["train"],
        ["train", "uniform"],
        ["train", "uniform", "--data", "digits", "--nonsense"],
        ["train", "uniform", "--data", "digits", "--set", "channels"],
        ["train", "uniform", "--data", "digits", "--set", "=8"],
        ["train", "uniform", "--data", "digits", "--set", "channels=["],
        ["train", "uniform", "--data", "digits", "--epochs", "0"],
        ["train", "uniform", "--data", "digits", "--epochs", "many"],
        ["train", "uniform", "--data", "digits", "--seed", "-1"],
        ["models", "made", "more"],
        ["bench", "--batch", "0"],
    ],
)
def test_wrong_usage(arguments, tmp_path):
    ended = call(*arguments)
    assert ended.status == 2
    assert "Traceback" not in ended.err
    assert "Usage: chainrule" in ended.err + ended.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        ["-n", "0"],
        ["-n", "many"],
        ["--temperature", "-1"],
        ["--temperature", "nan"],
        ["--top-k", "0"],
        ["--seed", "9" * 30],
    ],
)
def test_wrong_usage_of_sample(run, options):
    ended = call("sample", run, *options)
    assert (ended.status, ended.out) == (2, "")
    assert options[0] in ended.err


def test_prompt_with_truncation_is_greedy(text):
    ended = call("sample", text, "--prompt", "the", "--top-k", "1", "-n", "2")
    first, second = ended.out.splitlines()
    assert ended.status == 0 and first == second and first.startswith("the")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("chanels=8", r"did you mean 'channels'"),
        ("lrr=8", r"--set lrr: .*did you mean 'lr'"),
        ("channels=0", "channels: .*got 0"),
        ("channels=abc", "channels: .*got 'abc'"),
        ("channels=8.5", "channels: .*got 8.5"),
        ("channels=1e9", "channels: .*got 1000000000.0"),
        ("depth=0", "depth: .*got 0"),
        ("depth=1", "depth: .*got 1"),
        ("dropout=2", "dropout.* 2"),
        ("kernel_size=-1", "kernel_size: .*got -1"),
        ("classes=-3", "classes.*-3"),
        ("classes=abc", "classes.*abc"),
        ("classes=0", "0"),
        ("classes=5", r"\[0, 5\)"),
        ("embedding=3", "embedding|floats"),
        ("encoding=foo", "encoding: .*got 'foo'"),
        ("ordering=foo", "ordering: .*got 'foo'"),
        ("epochs=-1", "epochs: .*got -1"),
        ("lr=abc", "lr: .*got 'abc'"),
        ("lr=-1", "lr: .*got -1"),
        ("batch_size=-1", "batch_size: .*got -1"),
        ("ema=1", "ema: .*got 1"),
        ("optimizer=adam", "did you mean 'adamw'"),
        ("precision=fp16", "did you mean 'bf16'"),
        ("cosine=maybe", "cosine: .*got 'maybe'"),
    ],
)
def test_impossible_settings(settings, message, tmp_path):
    ended = call("train", "causal-conv1d", "--data", "digits", "--set", settings, "--out", tmp_path / "r")
    assert re.search(message, ended.error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([[0.5, np.nan], [1, 2], [3, 4]]), r"row 0 is not finite: nan at index \(0, 1\)"),
        (np.array([[0.5, 1], [1, np.inf], [3, 4]]), r"row 1 is not finite: inf"),
        (np.array([[0, 1], [1, -3], [3, 4]]), "least -3"),
        (np.zeros((0, 4), int), r"no values \(shape \(0, 4\)\)"),
        (np.zeros((1, 4), int), "too few"),
        (np.array(3), "got a single number"),
        (np.array(["a", "b", "c"]), "expected integers or floats"),
        (b"", "the file is empty"),
        (b"garbage", "x.npy"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "cannot be read"),
        (None, "no such file or folder"),
    ],
)
def test_bad_data_is_named(content, message, tmp_path):
    path = tmp_path / "x.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    error = call("train", "gaussian", "--data", path, "--out", tmp_path / "r").error
    assert re.search(message, error) and str(path) in error
    assert not (tmp_path / "r").exists()


def test_names_are_looked_up(tmp_path):
    train = ("train", "uniform", "--out", tmp_path / "r", "--data")
    assert "did you mean 'digits'" in call(*train, "digit").error
    assert "mnist/mnist.npz" in call(*train, "mnist").error
    assert "got an empty text" in call(*train, "").error
    assert "expected LAYOUT:SIZES:LEVELS" in call(*train, "digits", "--domain", "grey").error
    assert "expected LAYOUT:SIZES:LEVELS" in call(*train, "digits", "--domain", "").error
    assert "integers in [0, 4)" in call(*train, "digits", "--domain", "image:1x8x8:4").error
    assert "did you mean 'causal-conv1d'" in call("train", "causal-conv", "--data", "digits").error
    assert "expected a discrete domain" in _real_valued(tmp_path).error
    assert "no such case; known: anomaly, compression, defence, generate" in call("bench", "foo").error
    assert "unknown model 'lst'; did you mean 'lstm'" in call("bench", "--model", "lst").error
    assert "unknown table 'digit'; did you mean 'digits'" in call("reproduce", "digit").error
    assert not (tmp_path / "r").exists()


def _real_valued(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 3)))
    return call("train", "wavenet", "--data", tmp_path / "x.npy", "--out", tmp_path / "r")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (None, "no such recipe"),
        ("model: [uniform", "not readable as YAML"),
        ("uniform", "expected a mapping"),
        ("data: {source: digits}", "model"),
        ("{model: unifrom, data: {source: digits}}", "did you mean 'uniform'"),
        ("{model: uniform, data: digits}", "data: expected a mapping, got 'digits'"),
        ("{model: uniform, data: {source: digits, nope: 1}}", "nope"),
        (
            "{model: uniform, hyperparameters: [1], data: {source: digits}}",
            "hyperparameters: expected a mapping",
        ),
        ("{model: uniform, hyperparamters: {}, data: {source: digits}}", "did you mean 'hyperparameters'"),
        ("{model: lstm, hyperparameters: {widht: 3}, data: {source: digits}}", "did you mean 'width'"),
        ("{model: lstm, training: {epoch: 3}, data: {source: digits}}", "did you mean 'epochs'"),
    ],
)
def test_bad_recipes(recipe, message, tmp_path):
    if recipe is not None:
        (tmp_path / "r.yaml").write_text(recipe)
    assert message in call("train", "r.yaml").error


@pytest.mark.parametrize("command", ["train", "evaluate", "sample", "complete", "reproduce"])
def test_devices_that_are_not_there(run, command, tmp_path):
    arguments = {
        "train": ("uniform", "--data", "digits", "--out", tmp_path / "r"),
        "complete": (run, "digits", "-o", "c.png"),
        "reproduce": ("digits",),
    }
    for device in ("nonsense", "meta", ""):
        error = call(command, *arguments.get(command, (run,)), "--device", device).error
        assert f"device {device!r}: expected auto, cpu, cuda" in error
    assert not list(tmp_path.iterdir())


def test_labels(run, by_class):
    for command in (("sample",), ("complete", "digits", "-o", "c.png")):
        name, *rest = command
        assert "--label: expected a class in [0, 10)" in call(name, by_class, *rest).error
        for label in ("10", "-1", "9" * 30, "two", "²"):
            error = call(name, by_class, *rest, "--label", label).error
            assert "--label: expected a class in [0, 10) or one of 0, 1" in error and f"got {label}" in error
        assert "not conditioned on a class; got 3" in call(name, run, *rest, "--label", "3").error


def test_bad_prompts(run, text):
    assert "no character 'Z'" in call("sample", text, "--prompt", "the Zebra").error
    assert "expected at least one character, got none" in call("sample", text, "--prompt", "").error
    assert "expected a model of text" in call("sample", run, "--prompt", "the").error


def test_bad_choices(run, reals):
    for p in ("2", "0", "nan"):
        assert "top_p: expected a number in (0, 1], got" in call("sample", run, "--top-p", p).error
    assert "expected a discrete model" in call("sample", reals, "--top-k", "2").error
    assert "did you mean 'test'" in call("evaluate", run, "--split", "tset").error


@pytest.mark.parametrize("command", ["sample", "complete", "show"])
def test_outputs_that_cannot_be_written(run, command, tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    inputs = ("digits",) if command == "complete" else ()
    for out, message in {
        "x.jpg": r"x\.jpg: expected the ending .*, got \.jpg",
        "x": "x: expected the ending .*, got none",
        "folder.png": r"folder\.png: .*folder|directory",
        "file/x.png": r"file/x\.png: cannot be written",
        "file/deeper/x.png": r"file/deeper/x\.png: cannot be written",
    }.items():
        error = call(command, run, *inputs, "-o", out).error
        assert re.search(message, error), error
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.png"]


@pytest.mark.parametrize("command", ["sample", "complete", "show"])
def test_the_ending_is_checked_before_the_work(run, command, monkeypatch):
    for verb in ("sample", "complete"):
        monkeypatch.setattr(cr.AutoregressiveModel, verb, None)
    inputs = ("digits",) if command == "complete" else ()
    assert "x.jpg: expected the ending" in call(command, run, *inputs, "-o", "x.jpg").error


def test_reals_have_no_picture(reals, tmp_path):
    assert "real-valued; write .npy or .csv" in call("sample", reals, "-o", "x.png").error
    assert "real-valued" in call("complete", reals, reals.parent / "reals.npy", "-o", "x.png").error
    assert not list(tmp_path.iterdir())


def test_bad_masks_and_inputs(run, tmp_path):
    np.save(tmp_path / "small.npy", np.ones((7, 8), bool))
    np.save(tmp_path / "bright.npy", np.full((2, 8, 8), 17))
    np.save(tmp_path / "half.npy", np.full((2, 8, 8), 0.5))
    (tmp_path / "empty.npy").touch()
    (tmp_path / "words.txt").write_text(TEXT)
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(tmp_path / "tall.png")
    for keep, message in {
        "nonsense": "expected top, left, bottom, right, a fraction, or the file of a mask; got 'nonsense'",
        "2": "a fraction in [0, 1), got 2",
        "small.npy": "a mask of (1, 8, 8), got (7, 8)",
        "empty.npy": "empty.npy: cannot be read",
    }.items():
        assert message in call("complete", run, "digits", "--keep", keep, "-o", "c.png").error
    for source, message in {
        "small.npy": "does not fit image:1x8x8:17",
        "bright.npy": "integers in [0, 17), got 17",
        "half.npy": "expected integers for levels, got 0.5",
        "empty.npy": "the file is empty",
        "words.txt": "text needs a domain",
        "tall.png": "expected 8x8 pixels (height x width) of image:1x8x8:17, got 9x8; bring it to that size",
        "nowhere.png": "nowhere.png: no such file or folder",
        "digit": "did you mean 'digits'",
    }.items():
        assert message in call("complete", run, source, "-o", "c.png").error
    assert not (tmp_path / "c.png").exists()


def test_data_of_another_domain(run, by_class, text, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((9, 8, 8), int))
    np.save(tmp_path / "short.npy", np.zeros((9, 3), int))
    (tmp_path / "other.txt").write_text("a dog sat in a bog\n" * 60)
    (tmp_path / "many.txt").write_text("QUICK BROWN FOX JUMPS OVER LAZY DOGS\n" * 60)
    assert "text needs a domain" in call("evaluate", run, "--data", "other.txt").error
    assert "expected labels, found none" in call("evaluate", by_class, "--data", "x.npy").error
    assert "does not fit sequence" in call("evaluate", text, "--data", "short.npy").error
    # The same number of characters or fewer, but other ones: their levels would mean other letters.
    for command in (
        ("evaluate", text, "--data", "other.txt"),
        ("complete", text, "other.txt", "-o", "c.txt"),
    ):
        error = call(*command).error
        assert "4 characters are not among the 11 that the run was trained on: 'g' (120 times)" in error
    assert "'O' (240 times)" in call("evaluate", text, "--data", "many.txt").error
    assert call("evaluate", text, "--data", "other.txt", "--unknown", " ", "--no-baselines").status == 0


@pytest.mark.parametrize("command", ["evaluate", "sample", "complete", "show"])
def test_damaged_runs(run, command, tmp_path):
    rest = ("digits", "-o", "c.png") if command == "complete" else ()
    assert "nowhere: no such run; expected a run folder" in call(command, "nowhere", *rest).error
    (tmp_path / "empty").mkdir()
    assert "empty/model.json: no such file; expected a run folder" in call(command, "empty", *rest).error
    for name in ("config.yaml", "model.json", "model.safetensors", "metrics.csv"):
        folder = shutil.copytree(run, tmp_path / "damaged", dirs_exist_ok=True)
        (folder / name).write_bytes(b"\xff\x00[{:")
        assert name in call(command, folder, *rest).error
    card = json.loads((run / "model.json").read_text())
    folder = shutil.copytree(run, tmp_path / "newer")
    (folder / "model.json").write_text(json.dumps(card | {"format": 99}))
    assert "in format 99, this version reads up to 1; upgrade" in call(command, folder, *rest).error


def test_a_run_is_not_lost(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "r")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def unchanged():
        return before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    train = ("train", "causal-conv1d", "--data", "digits", "--out", folder, "--device", "cpu")
    tiny = ("--set", "channels=8", "--epochs", "1")
    assert "already holds a run" in call(*train, *tiny).error
    assert "cannot resume: " in call(*train, "--set", "channels=9", "--epochs", "1", "--resume").error
    assert "cannot resume: training" in call(*train, "--set", "channels=8", "--epochs", "2", "--resume").error
    assert (
        "cannot resume: model"
        in call("train", "uniform", "--data", "digits", "--out", folder, "--resume").error
    )
    # --overwrite with a mistake in the rest of the command
    for mistake in ("channels=0", "lr=abc", "depth=1", "ordering=foo", "dropout=2"):
        assert call(*train, *tiny, "--set", mistake, "--overwrite").error
    assert call(*train, *tiny, "--overwrite", "--device", "nonsense").error
    assert call(*train, *tiny, "--overwrite", "--domain", "image:1x8x8:3").error
    assert unchanged()

    assert call(*train, *tiny, "--resume").status == 0  # nothing is left to do
    assert unchanged() or (folder / "model.safetensors").read_bytes() == before["model.safetensors"]
    (folder / "samples.png").touch()
    (folder / "notes.txt").write_text("mine")
    assert call("train", "uniform", "--data", "digits", "--out", folder, "--overwrite").status == 0
    assert cr.load(folder).name == "uniform"
    assert not (folder / "samples.png").exists() and (folder / "notes.txt").read_text() == "mine"


def test_only_a_run_is_overwritten(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "config.yaml").write_text("db: main\n")
    (tmp_path / "file").write_text("precious")
    for out, what in (
        ("project", "expected a run to replace"),
        ("file", "cannot be written"),
        (".", "expected a run"),
    ):
        assert (
            f"{out}: {what}"
            in call("train", "uniform", "--data", "digits", "--out", out, "--overwrite").error
        )
    assert (project / "config.yaml").exists() and (tmp_path / "file").read_text() == "precious"
    assert "cannot be written" in call("train", "uniform", "--data", "digits", "--out", "file/r").error


def test_training_that_diverges_is_told(tmp_path):
    settings = (
        "--set",
        "lr=1e30",
        "--set",
        "clip=0",
        "--set",
        "channels=4",
        "--epochs",
        "2",
        "--device",
        "cpu",
    )
    error = call("train", "causal-conv1d", "--data", "digits", *settings, "--out", tmp_path / "r").error
    assert re.search("diverged|NaN|nan", error)


def test_whatever_else_goes_wrong_is_one_line_too(run, monkeypatch):
    def fails(*arguments, **options):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("chainrule.tasks.evaluate", fails)
    assert (
        call("evaluate", run).error == "error: unexpected ZeroDivisionError: two lines (--debug shows where)"
    )
    for arguments in (("evaluate", run, "--debug"), ("--debug", "evaluate", run)):
        ended = call(*arguments)
        assert ended.status == 1
        assert "Traceback" in ended.err and "in fails" in ended.err


def test_ctrl_c_beside_the_work_of_a_command(monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.cli.app.check_arguments", interrupted)
    assert main(["models"]) == 130


# --- as a program -------------------------------------------------------------------------------------


def test_as_a_program(tmp_path):
    """Nothing but the result on the true standard output, and the exit status."""
    commands = (
        ("train", "finite-memory", "--data", "digits", "--set", "width=4", "--epochs", "1",
         "--out", tmp_path / "r", "--json"),
        ("sample", tmp_path / "nowhere"),
    )  # fmt: skip
    with child(*commands[0]) as one, child(*commands[1]) as other:
        (status, out, err), (failed, no_out, error) = outcome(one), outcome(other)
    assert (status, failed) == (0, 1), err
    assert json.loads(out)["n"] == 350
    assert "Warning" not in err
    assert no_out == "" and error.startswith(
        f"error: {tmp_path / 'nowhere'}: no such run; expected a run folder"
    )
