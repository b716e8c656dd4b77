"""The trained models that come with the library."""

import importlib.util
import json
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.data import list_data
from chainrule.errors import ChainruleError
from chainrule.reproduce import recipes_of
from chainrule.run_files import ABOUT, NUMBERS, REFERENCE
from chainrule.tasks.sharing import verify
from chainrule.training import Recipe, Run
from chainrule.zoo import file_of, list_zoo
from test_cli import call

TOOL = Path(__file__).parents[1] / "tools" / "zoo.py"
WITH_THE_LIBRARY = {entry.name for entry in list_data() if entry.path is None}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """One cache for all of these tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "zoo-cache"))


def tool():
    spec = importlib.util.spec_from_file_location("zoo_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_kind_that_a_newcomer_meets_is_there():
    assert list_zoo() == sorted(tool().ZOO)
    kinds = {Run.open(f"zoo:{name}").model.domain.layout for name in list_zoo()}
    assert kinds == {"image", "sequence", "vector", "table"}


def test_they_are_small():
    sizes = [file_of(name).stat().st_size for name in list_zoo()]
    assert max(sizes) < 1.5e6 and sum(sizes) < 10e6


@pytest.mark.parametrize("name", list_zoo())
def test_each_is_what_its_card_says(name):
    entry = tool().ZOO[name]
    run = Run.open(f"zoo:{name}")
    assert run.name == f"zoo:{name}" and (run.folder / REFERENCE).is_file()
    card, numbers = (run.folder / ABOUT).read_text(), json.loads((run.folder / NUMBERS).read_text())
    for words in (
        entry.title,
        "**Data.**",
        "**Training.**",
        "**Use.**",
        "**Not for.**",
        numbers["date"],
        "| licence |",
    ):
        assert words in card
    assert f"{numbers['nats']:.3f} ± {numbers['nats_se']:.3f} nats" in card
    # It was trained by a recipe of the library, which anyone can run again.
    table, recipe = entry.recipe.split("/")
    of = Recipe.read(recipes_of(table, recipe)[recipe])
    assert of.model == run.model.name and of.data["source"] == run.config["data"]["source"]
    assert all(run.config["training"][key] == value for key, value in of.training.items())
    condition = run.model.condition
    cond = None if condition.classes is None else run.cond(**dict.fromkeys(run.labels or ["label"], 0))
    assert len(run.model.sample(1, cond)) == 1


@pytest.mark.parametrize("name", ["digits", "moons", "table"])
def test_recorded_numbers_hold(name):
    """Of those whose data come with the library; `chainrule verify` measures the others in some minutes."""
    run = Run.open(f"zoo:{name}")
    assert run.config["data"]["source"] in WITH_THE_LIBRARY
    data = Recipe(str(run.model.name), data=run.config["data"]).load_data()
    assert verify(run, data).holds


def test_the_command_lists_them_and_prints_cards():
    listed = call("zoo", "--json").json
    assert [entry["run"] for entry in listed] == [f"zoo:{name}" for name in list_zoo()]
    assert "zoo:names" in call("zoo").out
    assert call("zoo", "zoo:names").out.startswith("First names, letter by letter\n")
    assert "did you mean 'names'?" in call("zoo", "nmaes").error


def test_scores_need_no_data(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    (tmp_path / "new.txt").write_text("emma\nxqzzk\n")
    found = call("score", "zoo:names", tmp_path / "new.txt", "--json").json
    usual, odd = found["scores"]
    assert not usual["alarm"] and odd["alarm"] and found["reference"]["items"] == 1000


def test_python_takes_the_same_names():
    assert cr.load("zoo:names").log_prob(Run.open("zoo:names").model.sample(2)).shape == (2,)
    with pytest.raises(ChainruleError, match="no such trained model"):
        cr.load("zoo:nothing")
