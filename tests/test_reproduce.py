"""Published values in every form, the choice of recipes, what is up to date, and the charts of records."""

import json
import sys
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.reproduce import recipes_of, reproduce
from chainrule.reproduce.published import Published, beside, compared, read_published
from chainrule.reproduce.reproduce import read_record
from chainrule.tasks import together
from chainrule.training import Recipe

ROOT = Path(__file__).parent.parent
RECORDS = ROOT / "results"


def test_published_in_every_form():
    one = {"valid_nats": 88.72, "source": "a post"}
    assert read_published(one) == [Published(88.72, "valid", "a post")]
    assert read_published({"value": 3, "model": "NADE", "se": 0.1}) == [Published(3, model="NADE", se=0.1)]
    assert read_published([one, {"test_nats": 1.5}]) == [*read_published(one), Published(1.5)]
    assert read_published(None) == read_published({}) == read_published([]) == []
    with pytest.raises(ChainruleError, match="published: expected test_nats"):
        read_published({"source": "nowhere"})


def test_published_in_words():
    assert str(Published(88.72, "valid")) == "valid 88.72"
    assert str(Published(85.1, model="EoNADE", se=0.05)) == "EoNADE: test 85.1 ± 0.05"


def test_the_figure_that_compares():
    steps = {"nats": 8.5, "nats_se": 0.1, "nats_after_first": 8.25, "nats_after_first_se": 0.2}
    record = {"test": {"nats": 500, "nats_se": 20, "per_step": steps}}
    for name, expected in (("jsb-tcn", (8.25, 0.2)), ("jsb-gru-nade", (8.5, 0.1))):
        record["published"] = Recipe.read(recipes_of("music")[name]).published
        assert compared(record["test"], read_published(record["published"])) == expected
        assert ("ours 8.250 ± 0.200" in beside(record)) == (name == "jsb-tcn")
    del steps["nats_after_first"]  # of a record of before
    assert compared(record["test"], [Published(8.1, without_first_step=True)]) == (8.5, 0.1)


def test_recipes_by_name_data_set_and_model():
    assert list(recipes_of("digits", "gru")) == ["gru"]
    assert list(recipes_of("digits", "causal-conv1d")) == ["causal-conv1d"]  # a name before a model
    assert list(recipes_of("digits", ["gru", "lstm"])) == ["gru", "lstm"]
    nltcs = recipes_of("debd", "nltcs")
    assert "nltcs-chow-liu" in nltcs and all(name.startswith("nltcs") for name in nltcs)
    assert list(recipes_of("debd", ["nltcs", "chow-liu"])) == ["nltcs-chow-liu"]
    assert len(recipes_of("debd", ["nltcs", "dna", "chow-liu"])) == 2
    with pytest.raises(ChainruleError, match="did you mean 'nltcs'"):
        recipes_of("debd", "nltsc")
    with pytest.raises(ChainruleError, match="no recipe is all of"):
        recipes_of("debd", ["nltcs-chow-liu", "dna"])


def test_a_record_is_kept_while_the_recipe_says_the_same(tmp_path):
    record = json.loads((RECORDS / "digits" / "post.json").read_text())
    (tmp_path / "digits").mkdir()
    path = tmp_path / "digits" / "post.json"
    assert read_record(tmp_path, "digits", "post") is None
    for text, kept in (
        (json.dumps(record), True),
        (json.dumps(record)[:-9], False),
        (json.dumps({**record, "model": "gru"}), False),
        (json.dumps({**record, "hyperparameters": {**record["hyperparameters"], "depth": 5}}), False),
        (json.dumps({**record, "training": {**record["training"], "lr": 0.002}}), False),
    ):
        path.write_text(text)
        assert (read_record(tmp_path, "digits", "post") is not None) == kept


@pytest.fixture
def charts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import charts

    yield charts
    for name in ("charts", "records"):
        sys.modules.pop(name, None)


def record(data, name, nats, published=None):
    score = {"nats": nats, "nats_se": 0.1}
    return {"data": data, "name": name, "valid": score, "test": score, "published": published}


def test_charts_show_what_is_published(charts, monkeypatch):
    records = [record(f"set{i}", f"set{i}-nade", -5.0 - i, {"test_nats": -5.5}) for i in range(5)]
    records.insert(
        1, record("set0", "set0-made", -9.0, [{"value": -8.0, "model": "MADE"}, {"valid_nats": -7}])
    )
    monkeypatch.setattr(charts, "reproduced", lambda table: records)
    figure = charts.chart("any")
    assert [axis.get_title(loc="left") for axis in figure.axes] == [f"set{i}" for i in range(5)]
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["made", "nade"]  # best on top
    left, right = first.get_xlim()
    dots = [line for line in first.lines if line.get_marker() not in ("None", "")]
    assert [line.get_xdata()[0] for line in dots if line.get_color() == charts.OURS] == [-9.0, -5.0]
    marks = [line.get_xdata()[0] for line in dots if line.get_color() == "black"]
    assert sorted(marks) == [-8.0, -7.0, -5.5] and all(left < mark < right for mark in marks)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        "ours, test ± standard error", "published", "published (validation)", "published, MADE",
    ]  # fmt: skip


def test_every_table_of_results_is_drawn_and_placed(charts):
    page = (ROOT / "docs" / "results" / "index.md").read_text()
    for table in ("digits", "debd"):
        assert (charts.FIGURES / f"{table}.svg").is_file()
        assert f"figures/{table}.svg" in page and f"<!-- table results-{table} -->" in page


def test_a_run_that_is_there_is_gone_on_with(tmp_path):
    (once,) = reproduce("digits", only="finite-memory", progress=False, runs=tmp_path)
    assert once["items_per_second"] > 0 and once["peak_memory_bytes"] > 1e6
    (again,) = reproduce("digits", only="finite-memory", progress=False, runs=tmp_path)
    assert again["test"] == once["test"]
    assert again["training_seconds"] == once["training_seconds"]  # nothing was trained a second time


def test_a_trial_on_a_few_items_says_so():
    (record,) = reproduce("digits", only="finite-memory", progress=False, items=20, epochs=1)
    assert record["reproduced"] is False
    assert record["split_sizes"] == {"train": 20, "valid": 20, "test": 20}
    assert record["command"].endswith("--items 20 --epochs 1")


def test_recipes_together(tmp_path, monkeypatch):
    read, module = Recipe.read, sys.modules["chainrule.reproduce.reproduce"]
    own = Recipe("ensemble", {"source": "digits"}, of=["gru", "lstm"])
    files = recipes_of("digits", ["gru", "lstm"])
    monkeypatch.setattr(
        module,
        "recipes_of",
        lambda table, only=None: {"both": tmp_path / "both"} if only == "both" else files,
    )
    monkeypatch.setattr(Recipe, "read", lambda path: own if path == tmp_path / "both" else short(read(path)))
    (record,) = reproduce("digits", only="both", progress=False, runs=tmp_path / "runs", items=60)
    members = [cr.load(tmp_path / "runs" / "digits" / name) for name in ("gru", "lstm")]
    x = cr.load_data("digits").test[:60]
    assert record["test"]["nats"] == pytest.approx(-together(members).log_prob(x).mean().item(), rel=1e-5)
    assert record["training"]["of"] == ["gru", "lstm"] and record["training_seconds"] > 0
    assert len(record["hyperparameters"]["members"]) == 2


def test_a_recipe_of_others_is_not_trained_by_itself():
    recipe = Recipe.read(recipes_of("binarized-mnist", "three-together")["three-together"])
    with pytest.raises(ChainruleError, match="of: expected a recipe of one model"):
        recipe.build(cr.load_data("digits"))


def short(recipe):
    """The recipe of a small net, for one epoch."""
    recipe.hyperparameters, recipe.training = {"width": 4, "depth": 1}, {"epochs": 1}
    return recipe
