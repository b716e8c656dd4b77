"""Which class an item is of: Bayes' rule by hand, the command, and the accuracy that evaluations carry."""

import csv
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule as cr
from chainrule.data import Reading, load_items
from chainrule.errors import ChainruleError
from chainrule.reproduce import reproduce
from chainrule.tasks import classify, evaluate
from chainrule.tasks.classify import accuracy
from digits_run import write_run
from test_cli import call

TINY = {"channels": 4, "depth": 2}


@pytest.fixture(scope="module")
def model():
    """Three classes that differ: the embedding of a class is as large as the weights."""
    torch.manual_seed(0)
    model = cr.create_model("nade", cr.Domain.binary(6), classes=3, hidden=8)
    with torch.no_grad():
        model.condition.features.weight.mul_(3)
    return model


@pytest.fixture(scope="module")
def x():
    return torch.randint(0, 2, (11, 6), generator=torch.Generator().manual_seed(1))


def bayes(model, x, prior):
    """p(y | x) by hand: probabilities multiplied and divided, no logarithms."""
    with torch.no_grad():
        likelihoods = [model.log_prob(x, torch.full((len(x),), y)).exp() for y in range(len(prior))]
    joint = torch.stack(likelihoods, 1) * torch.tensor(prior, dtype=torch.float64)
    return joint / joint.sum(1, keepdim=True)


def test_posteriors_are_those_of_bayes_rule(model, x):
    posterior = classify(model, x)
    assert (posterior.dtype, posterior.shape) == (torch.float64, (11, 3))
    torch.testing.assert_close(posterior.exp(), bayes(model, x, [1, 1, 1]))
    assert posterior.exp().std(0).min() > 0.01  # they depend on the item

    torch.testing.assert_close(
        classify(model, x, torch.tensor([0.5, 0.3, 0.2])).exp(), bayes(model, x, [0.5, 0.3, 0.2])
    )
    counted = classify(model, x, torch.tensor([50, 0, 20])).exp()
    torch.testing.assert_close(counted, bayes(model, x, [50, 0, 20]))
    assert (counted[:, 1] == 0).all()


def test_improbable_items_have_posteriors_too():
    """log p(x | y) of a large item underflows as a probability; its posterior does not."""
    torch.manual_seed(0)
    model = cr.create_model("nade", cr.Domain.binary(2000), classes=2, hidden=2)
    posterior = classify(model, torch.ones(2, 2000, dtype=torch.int64))
    assert posterior.exp().sum(1).tolist() == pytest.approx([1, 1])


def test_a_batch_at_a_time(model, x, monkeypatch):
    sizes = []
    whole, score = classify(model, x), model.log_prob
    monkeypatch.setattr(
        model, "log_prob", lambda part, cond: sizes.append(len(part)) or score(part, cond), raising=False
    )
    model.train()
    assert torch.equal(classify(model, x, batch_size=4), whole)
    assert sorted(sizes, reverse=True) == [4] * 6 + [3] * 3
    assert model.training  # as it was
    assert classify(model, x[:0]).shape == (0, 3)


def test_what_is_no_prior(model, x):
    for prior, message in {
        (0.5, 0.5): r"expected one number a class, \(3,\), got \(2,\)",
        (1.0, -1.0, 1.0): r"expected numbers from 0, .*, got \[1.0, -1.0, 1.0\]",
        (0.0, 0.0, 0.0): ".*not all of them 0",
        (1.0, float("nan"), 1.0): "expected numbers from 0",
    }.items():
        with pytest.raises(ChainruleError, match=f"prior: {message}"):
            classify(model, x, torch.tensor(prior))


@pytest.mark.parametrize(("condition", "given"), [({}, "none"), ({"embedding": 5}, r"floats \(B, 5\)")])
def test_a_model_without_classes(x, condition, given):
    model = cr.create_model("nade", cr.Domain.binary(6), **condition)
    with pytest.raises(ChainruleError, match=f"conditional on classes, its condition is {given}"):
        classify(model, x)


def test_accuracy():
    posterior = torch.tensor([[0.1, 0.9], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]]).log()
    assert accuracy(posterior, torch.tensor([1, 0, 0, 0])) == 0.75


# --- evaluations and records --------------------------------------------------------------------------


def test_evaluations_of_models_of_classes_carry_the_accuracy():
    data = cr.load_data("digits")
    torch.manual_seed(0)
    model = cr.create_model("causal-conv1d", data.domain, classes=10, **TINY)
    result = evaluate(model, data, "valid", baselines=False)
    assert result.accuracy == accuracy(classify(model, data.valid), data.labels["valid"])
    assert result.to_dict()["accuracy"] == result.accuracy
    without = evaluate(cr.create_model("uniform", data.domain), data, "valid", baselines=False)
    assert without.accuracy is None and "accuracy" not in without.to_dict()


def test_records_of_models_of_classes_carry_the_accuracy(tmp_path, monkeypatch):
    recipe = tmp_path / "by-class.yaml"
    recipe.write_text(
        json.dumps(
            {
                "model": "causal-conv1d",
                "hyperparameters": {"classes": 10, **TINY},
                "data": {"source": "digits"},
                "training": {"epochs": 1},
            }
        )
    )
    recipes = {"by-class": recipe}
    module = sys.modules["chainrule.reproduce.reproduce"]  # the name in `tasks` is the function's
    monkeypatch.setattr(module, "recipes_of", lambda table, only: recipes)
    (record,) = reproduce("digits", progress=False, device="cpu")
    for split in ("valid", "test"):
        assert 0 <= record[split]["accuracy"] <= 1
        assert record[split]["nats"] > 0
    recipe.write_text('{"model": "uniform", "data": {"source": "digits"}}')
    (record,) = reproduce("digits", progress=False, device="cpu")
    assert "accuracy" not in record["test"]


# --- the command --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "classes"
    write_run(folder, "causal-conv1d", classes=10, **TINY)
    return folder


def read(text):
    """The rows of what is printed: label, its probability, those of all classes."""
    head, *rows = csv.reader(text.splitlines())
    assert head == ["item", "label", "probability", *(f"p_{y}" for y in range(10))]
    assert [int(row[0]) for row in rows] == list(range(len(rows)))
    return [(int(row[1]), float(row[2]), [float(p) for p in row[3:]]) for row in rows]


@pytest.mark.parametrize("split", ["test", "valid"])
def test_the_command_writes_a_line_an_item(run, split, tmp_path):
    out = tmp_path / "labels.csv"
    ended = call("classify", run, "digits", "--split", split, "-o", out)
    data = cr.load_data("digits")
    x, labels = data.split(split)
    posterior = classify(cr.load(run), x)
    rows = read(out.read_text())
    assert [label for label, _, _ in rows] == posterior.argmax(1).tolist()
    assert all(
        p == pytest.approx(max(every)) and sum(every) == pytest.approx(1, abs=1e-5) for _, p, every in rows
    )
    torch.testing.assert_close(
        torch.tensor([e for *_, e in rows]).double(), posterior.exp(), rtol=1e-5, atol=0
    )
    right = accuracy(posterior, labels)
    assert (ended.status, ended.out) == (0, "")
    assert ended.err == f"{len(x)} items, 10 classes, {right:.1%} correct: {out}\n"


def test_the_command_without_a_file(run, tmp_path):
    np.save(tmp_path / "two.npy", cr.load_data("digits").test[:2].numpy())
    ended = call("classify", run, tmp_path / "two.npy")
    assert len(read(ended.out)) == 2
    assert ended.err == "2 items, 10 classes\n"  # no labels, no accuracy
    result = call("classify", run, tmp_path / "two.npy", "--json").json
    assert result["labels"] == [label for label, _, _ in read(ended.out)]
    assert np.sum(result["probabilities"], axis=1) == pytest.approx([1, 1])
    assert (result["items"], result["classes"], result["file"]) == (2, 10, None)
    assert "accuracy" not in result

    result = call("classify", run, "digits", "--split", "test", "-o", tmp_path / "l.csv", "--json").json
    assert set(result) == {"items", "classes", "file", "accuracy"}
    assert result["accuracy"] == call("evaluate", run, "--json").json["accuracy"]


def test_evaluate_prints_the_accuracy(run, tmp_path):
    right = call("evaluate", run, "--json").json["accuracy"]
    table = call("evaluate", run).out
    assert "accuracy" in table and f"{right:.1%}" in table
    assert "accuracy" not in call("evaluate", _unconditional(tmp_path)).out


def test_mistakes_are_told(run, tmp_path):
    assert "expected a model of classes" in call("classify", _unconditional(tmp_path), "digits").error
    assert "did you mean 'test'" in call("classify", run, "digits", "--split", "tset").error
    assert "expected the ending .csv, got .png" in call("classify", run, "digits", "-o", "l.png").error
    assert "neither a named set nor a file" in call("classify", run, "nowhere").error
    np.savez(tmp_path / "far.npz", x=np.zeros((4, 8, 8), int), y=np.array([0, 1, 2, 10]))
    assert "labels: expected classes in [0, 10), got 10" in call("classify", run, tmp_path / "far.npz").error


def _unconditional(tmp_path):
    write_run(tmp_path / "plain", "causal-conv1d", **TINY)
    return tmp_path / "plain"


def test_labels_of_a_source(tmp_path):
    how = Reading(cr.Domain.image(1, 8, 8, levels=256), classes={"class": ["ants", "cats", "dogs"]})
    x, y = np.arange(3 * 64).reshape(3, 8, 8), np.array([2, 0, 1])
    np.savez(tmp_path / "own.npz", x=x, y=y)
    items = load_items(tmp_path / "own.npz", how)
    assert np.array_equal(items.x[:, 0].numpy(), x) and items.labels.tolist() == [2, 0, 1]

    for name in ("cats", "dogs"):
        (tmp_path / "folder" / name).mkdir(parents=True)
        Image.fromarray(x[0].astype(np.uint8)).save(tmp_path / "folder" / name / "a.png")
    assert load_items(tmp_path / "folder", how).labels.tolist() == [1, 2]  # by name, not by place
    assert load_items(tmp_path / "folder" / "cats" / "a.png", how).labels is None
    (tmp_path / "folder" / "dogs").rename(tmp_path / "folder" / "cows")
    with pytest.raises(cr.errors.DataError, match="'cows': the run knows 'ants', 'cats', 'dogs'"):
        load_items(tmp_path / "folder", how)
    welcome = load_items(tmp_path / "folder", how, labels=None)
    assert welcome.labels is None and "'cows'" in welcome.notes.ignored[0]
