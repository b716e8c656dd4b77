"""What goes into a verb is what the user has: all of it, once, by the codes of the run."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import chainrule as cr
from chainrule.data import Reading, load_data, load_items
from chainrule.training import Run
from test_cli import call

WORDS = "the cat sat on the mat\n" * 60  # 1,380 characters, windows of 8
NAMES = "anna\nbob\nbarbara\nnora\n" * 20


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A model of text, one of names, one of three kinds of animals."""
    root = tmp_path_factory.mktemp("border")
    (root / "words.txt").write_text(WORDS)
    (root / "names.txt").write_text(NAMES)
    animals(root / "kinds", {"ant": 20, "bee": 120, "cow": 220}, 10)
    made = {
        "text": ("count-table", "--data", root / "words.txt", "--domain", "sequence:8:12"),
        "names": ("count-table", "--data", root / "names.txt", "--domain", "sequence:8:8:ends"),
        "animals": (
            *("causal-conv1d", "--data", root / "kinds", "--set", "classes=3", "--set", "channels=4"),
            *("--set", "depth=2", "--epochs", "1", "--device", "cpu"),
        ),
    }
    for name, command in made.items():
        ended = call("train", *command, "--out", root / name, "--json")
        assert ended.status == 0, ended.err
    return root


def animals(folder, kinds, n):
    """n pictures of 3 by 2 pixels of each kind, all near its shade."""
    for kind, shade in kinds.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.new("L", (3, 2), shade + i).save(folder / kind / f"{i}.png")


# --- all of it, once ---------------------------------------------------------------------------


def test_a_text_is_scored_to_its_end(runs, tmp_path):
    (tmp_path / "new.txt").write_text("the mat sat on the cat\n")  # 23 characters: two windows and seven more
    ended = call("score", runs / "text", tmp_path / "new.txt", "-o", tmp_path / "s.csv", "--json")
    assert ended.json["items"] == 3
    assert "found: 1 text of 23 characters" in ended.err
    assert "1 of 3 windows overlaps" in ended.err
    nats = pd.read_csv(tmp_path / "s.csv")["nats"].to_numpy()
    model, vocabulary = cr.load(runs / "text"), Run.open(runs / "text").vocabulary
    text = "the mat sat on the cat\n"
    levels = np.array([[vocabulary.index(c) for c in text[at : at + 8]] for at in (0, 8, 15)])
    assert nats == pytest.approx(-model.log_prob(torch.from_numpy(levels)).detach().numpy(), rel=1e-6)


def test_a_text_too_short_to_train_on_is_fine_for_every_other_verb(runs, tmp_path):
    (tmp_path / "short.txt").write_text("the cat sat")  # less than two windows
    for command in (
        ("evaluate", runs / "text", "--data", tmp_path / "short.txt", "--no-baselines"),
        ("score", runs / "text", tmp_path / "short.txt"),
        ("complete", runs / "text", tmp_path / "short.txt", "-n", 1, "-o", tmp_path / "c.txt"),
    ):
        ended = call(*command)
        assert ended.status == 0, ended.err
    error = call("train", "count-table", "--data", tmp_path / "short.txt", "--domain", "sequence:8:12").error
    assert "3 splits need a window of 8 each; name a shorter window with --domain" in error


def test_completions_begin_with_the_first_item(runs, tmp_path):
    (tmp_path / "new.txt").write_text("sat on the mat the cat\n" * 20)
    options = ("--items", 1, "-n", 1, "--keep", 0.99, "-o", tmp_path / "c.txt")
    assert call("complete", runs / "text", tmp_path / "new.txt", *options).status == 0
    assert (tmp_path / "c.txt").read_text().startswith("sat on ")


def test_items_with_classes_are_all_taken(runs, tmp_path):
    animals(tmp_path / "new", {"ant": 20, "bee": 120, "cow": 220}, 4)
    ended = call("evaluate", runs / "animals", "--data", tmp_path / "new", "--no-baselines", "--json")
    assert (ended.json["n"], ended.json["split"]) == (12, "all")
    ended = call("score", runs / "animals", tmp_path / "new", "-o", tmp_path / "s.csv", "--json")
    assert ended.json["items"] == 12
    assert list(pd.read_csv(tmp_path / "s.csv")["item"][:5]) == [f"ant/{i}.png" for i in range(4)] + [
        "bee/0.png"
    ]


def test_a_split_is_taken_where_it_is_asked_for(runs):
    """Of a source without splits of its own it is the part that was put aside in training."""
    options = ("--no-baselines", "--json")
    own = call("evaluate", runs / "text", *options).json
    again = call("evaluate", runs / "text", "--data", runs / "words.txt", "--split", "test", *options).json
    assert own == again and own["split"] == "test"
    assert (
        call("evaluate", runs / "text", "--data", runs / "words.txt", *options).json["n"] == 173
    )  # 1380 / 8


def test_splits_of_a_source_are_one_after_another(tmp_path):
    x = np.arange(12).reshape(6, 2)
    np.savez(tmp_path / "a.npz", train=x[:3], test=x[5:], val=x[3:5])
    domain = cr.Domain.categorical(2, 12)
    assert np.array_equal(load_items(tmp_path / "a.npz", domain).x.numpy(), x)
    assert np.array_equal(load_items(tmp_path / "a.npz", domain, split="valid").x.numpy(), x[3:5])
    assert np.array_equal(load_items(tmp_path / "a.npz", domain, prefer="test").x.numpy(), x[5:])


# --- the run's codes ---------------------------------------------------------------------------


def test_text_is_numbered_by_the_run(runs, tmp_path):
    """Of fewer characters, and of none: their own numbers would be those of other letters."""
    (tmp_path / "few.txt").write_text("tatatatata" * 8)
    how = Run.open(runs / "text").reading
    items = load_items(tmp_path / "few.txt", how)
    assert "".join(how.vocabulary[level] for level in items.x[0].tolist()) == "tatatata"
    (tmp_path / "digits.txt").write_text("12345678" * 8)
    error = call("score", runs / "text", tmp_path / "digits.txt").error
    assert "8 characters are not among the 11 that the run was trained on: '1' (8 times)" in error
    assert "--unknown" in error
    ended = call("score", runs / "text", tmp_path / "digits.txt", "--unknown", " ")
    assert ended.status == 0 and "changed: 64 unknown characters are read as ' '" in ended.err
    assert (
        "unknown: expected one character that the run knows, got '!'"
        in call("score", runs / "text", tmp_path / "digits.txt", "--unknown", "!").error
    )


def test_names_are_numbered_by_the_run(runs, tmp_path):
    (tmp_path / "one.txt").write_text("nora\n")  # a, n, o, r are 0 to 3 by themselves
    ended = call("score", runs / "names", tmp_path / "one.txt", "-o", tmp_path / "s.csv")
    assert ended.status == 0, ended.err
    data = load_data(runs / "names.txt", domain="sequence:8:8:ends")
    nora = [data.vocabulary.index(c) for c in "nora"] + [7] * 4
    nats = -cr.load(runs / "names").log_prob(torch.tensor([nora])).item()
    assert pd.read_csv(tmp_path / "s.csv")["nats"][0] == pytest.approx(nats, rel=1e-6)
    error = call("score", runs / "names", runs / "words.txt").error
    assert "has a line of 22 characters, expected at most 8" in error


def test_a_run_is_not_resumed_with_other_letters(tmp_path):
    def train(*more):
        settings = ("--set", "channels=4", "--set", "depth=2", "--domain", "sequence:8:12", "--device", "cpu")
        return call(
            "train", "causal-conv1d", "--data", tmp_path / "a.txt", "--out", tmp_path / "run", "--epochs", "1",
            *settings, *more,
        )  # fmt: skip

    (tmp_path / "a.txt").write_text(WORDS)
    assert train().status == 0
    (tmp_path / "a.txt").write_text(WORDS.replace("c", "k"))
    error = train("--resume").error
    assert "cannot resume: data was" in error and "checksum" in error


# --- classes have names ------------------------------------------------------------------------


def test_classes_are_matched_by_name(runs, tmp_path):
    animals(tmp_path / "two", {"bee": 120, "cow": 220}, 3)
    options = ("--no-baselines", "--json")
    both = call("evaluate", runs / "animals", "--data", tmp_path / "two", *options).json
    whole = load_items(tmp_path / "two", Run.open(runs / "animals").reading)
    assert whole.labels.tolist() == [1, 1, 1, 2, 2, 2]
    nats = -cr.load(runs / "animals").log_prob(whole.x, whole.labels).mean().item()
    assert both["nats"] == pytest.approx(nats, rel=1e-5)
    animals(tmp_path / "two", {"dog": 60}, 1)
    error = call("evaluate", runs / "animals", "--data", tmp_path / "two").error
    assert "class 'dog': the run knows 'ant', 'bee', 'cow'" in error
    ended = call("classify", runs / "animals", tmp_path / "two", "--json")
    assert "accuracy" not in ended.json and "ignored: labels:" in ended.err


def test_a_class_goes_by_its_name(runs, tmp_path):
    by_name, by_number = (
        call("sample", runs / "animals", "-n", 2, "--label", label, "-o", tmp_path / "s.npy")
        and np.load(tmp_path / "s.npy")
        for label in ("bee", 1)
    )
    assert np.array_equal(by_name, by_number)
    error = call("sample", runs / "animals", "--label", "dog").error
    assert "expected a class in [0, 3) or one of ant, bee, cow, got dog" in error


def test_classes_that_are_numbers_are_in_their_order(tmp_path):
    animals(tmp_path, {"10": 100, "9": 90, "2": 20}, 4)
    data = load_data(tmp_path)
    assert data.class_names == ("2", "9", "10") and data.classes == {"class": ("2", "9", "10")}
    assert "found: 3 classes, by subfolder: 2 (4), 9 (4), 10 (4)" in data.notes.lines()


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "Validation", "Test"), ("training", "dev", "testing")]
)
def test_what_splits_are_called(names, tmp_path):
    for name, n in zip(names, (6, 3, 2), strict=True):
        animals(tmp_path / "pictures" / name, {"ant": 20, "bee": 120}, n)
    data = load_data(tmp_path / "pictures")
    assert (len(data.train), len(data.valid), len(data.test)) == (12, 6, 4)
    assert data.class_names == ("ant", "bee")
    arrays = {
        f"x_{name}": np.full((n, 4), i) for i, (name, n) in enumerate(zip(names, (6, 3, 2), strict=True))
    }
    np.savez(tmp_path / "a.npz", **arrays)
    assert [len(getattr(load_data(tmp_path / "a.npz"), split)) for split in ("train", "valid", "test")] == [
        6,
        3,
        2,
    ]


def test_two_folders_of_one_split(tmp_path):
    animals(tmp_path / "val", {"ant": 20}, 2)
    animals(tmp_path / "valid", {"ant": 20}, 2)
    with pytest.raises(cr.errors.DataError, match="expected one folder of valid, got val and valid"):
        load_data(tmp_path)


def test_a_stray_picture_does_not_drop_the_classes(tmp_path):
    animals(tmp_path, {"ant": 20, "bee": 120}, 4)
    Image.new("L", (3, 2)).save(tmp_path / "cover.png")
    (tmp_path / "readme.txt").write_text("of 2019")
    data = load_data(tmp_path)
    assert data.class_names == ("ant", "bee") and len(data.train) + len(data.valid) + len(data.test) == 8
    assert data.notes.ignored == ["1 other file: readme.txt", "1 file in no class, left out: cover.png"]


@pytest.mark.parametrize("label", ["y", "target", "labels"])
def test_labels_of_an_npz(label, tmp_path):
    np.savez(tmp_path / "a.npz", data=np.zeros((20, 3), int), extra=np.zeros(3), **{label: np.arange(20) % 3})
    data = load_data(tmp_path / "a.npz")
    assert data.labels["train"].shape == (16,)
    assert data.notes.ignored == ["array extra, float64 (3,)"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_may_be_the_label(ending, tmp_path):
    frame = pd.DataFrame(
        {"width": np.arange(40) / 3, "height": np.arange(40) / 7, "kind": ["rose", "iris"] * 20}
    )
    write = {"csv": lambda path: frame.to_csv(path, index=False), "parquet": frame.to_parquet}[ending]
    write(tmp_path / f"flowers.{ending}")
    data = load_data(tmp_path / f"flowers.{ending}", labels=["kind"])
    assert [column.name for column in data.domain.columns] == ["width", "height"]
    assert data.classes == {"kind": ("iris", "rose")}
    with pytest.raises(cr.errors.DataError, match="no column 'sort' for a label"):
        load_data(tmp_path / f"flowers.{ending}", labels=["sort"])


def test_new_rows_with_and_without_their_label(tmp_path):
    frame = pd.DataFrame(
        {"width": np.arange(40) / 3, "size": np.arange(40) % 2, "kind": ["rose", "iris"] * 20}
    )
    frame.to_csv(tmp_path / "flowers.csv", index=False)
    options = (
        "--labels",
        "kind",
        "--set",
        "classes=2",
        "--epochs",
        "1",
        "--set",
        "hidden=[8]",
        "--device",
        "cpu",
    )
    ended = call(
        "train", "made", "--data", tmp_path / "flowers.csv", *options, "--out", tmp_path / "run", "--json"
    )
    assert ended.status == 0, ended.err
    frame[:6].to_csv(tmp_path / "new.csv", index=False)
    assert call("score", tmp_path / "run", tmp_path / "new.csv", "--json").json["items"] == 6
    frame[:6].assign(kind="tulip").to_csv(tmp_path / "new.csv", index=False)
    error = call("score", tmp_path / "run", tmp_path / "new.csv").error
    assert "kind 'tulip': the run knows 'iris', 'rose'" in error
    frame[:6].drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)
    assert "expected labels, found none" in call("score", tmp_path / "run", tmp_path / "new.csv").error


def test_the_runs_own_data_are_pointed_out(runs):
    ended = call("score", runs / "text", runs / "words.txt")
    assert "was trained on part of" in ended.err and "--split test" in ended.err


def test_data_says_what_was_found(tmp_path):
    animals(tmp_path / "animals", {"ant": 20, "bee": 120}, 4)
    (tmp_path / "animals" / "Thumbs.db").write_text("x")
    out = call("data", tmp_path / "animals").out
    assert "found: 8 pictures" in out and "found: 2 classes, by subfolder: ant (4), bee (4)" in out
    assert "ignored: 1 other file: Thumbs.db" in out and "seeded split 80/10/10" in out
    notes = call("data", tmp_path / "animals", "--json").json["notes"]
    assert json.loads(json.dumps(notes))["ignored"] == ["1 other file: Thumbs.db"]


def test_options_are_told_apart():
    with pytest.raises(
        cr.errors.DataError, match="unknown option 'sead' of reading data; did you mean 'seed'"
    ):
        load_data("digits", sead=1)
    assert Reading.of({"domain": "vector:2:5", "labels": ["a"]}).to_dict() == {
        "domain": "vector:2:5", "labels": ["a"], "seed": 0,
    }  # fmt: skip
