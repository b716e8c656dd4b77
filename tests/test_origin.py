"""A run finds its data from any folder, and tells when they are gone or are others."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

import chainrule as cr
from chainrule.data import load_data
from chainrule.errors import DataError, RunError
from test_cli import call


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A table and a folder of pictures, named from where they lie; and another folder to go to."""
    (tmp_path / "project" / "scans").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    rows = np.random.default_rng(0).integers(0, 9, (80, 2))
    pd.DataFrame(rows, columns=["a", "b"]).to_csv("rows.csv", index=False)
    for number in range(20):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(f"scans/{number}.png")
    return tmp_path


@pytest.mark.parametrize("source", ["rows.csv", "scans", "~/rows.csv"])
def test_verbs_find_the_data_from_any_folder(project, monkeypatch, source):
    monkeypatch.setenv("HOME", str(project / "project"))
    assert call("train", "independent", "--data", source, "--out", "run").status == 0
    config = yaml.safe_load((project / "project" / "run" / "config.yaml").read_text())
    assert config["data"]["source"] == str(project / "project" / source.removeprefix("~/"))
    monkeypatch.chdir(project / "elsewhere")
    run = os.path.join("..", "project", "run")
    here = call("evaluate", run, "--json").json
    monkeypatch.chdir(project / "project")
    assert call("evaluate", "run", "--json").json == here
    assert call("train", "independent", "--data", source, "--out", "run", "--resume").status == 0


def test_data_that_moved_or_changed_are_told_in_one_line(project):
    assert call("train", "independent", "--data", "rows.csv", "--out", "run").status == 0
    shutil.copy("rows.csv", "copy.csv")
    with open("rows.csv", "a") as file:
        file.write("1,1\n")
    for verb in (
        ("evaluate", "run"),
        ("score", "run", "copy.csv"),
        ("train", "run/config.yaml", "--out", "again"),
    ):
        error = call(*verb).error
        assert "rows.csv: has changed since" in error and "--data" in error, verb
    assert (
        "cannot resume: data was"
        in call("train", "independent", "--data", "rows.csv", "--out", "run", "--resume").error
    )
    for verb in (("evaluate", "run"), ("score", "run", "copy.csv")):
        assert call(*verb, "--data", "copy.csv").status == 0
    assert call("train", "run/config.yaml", "--data", "copy.csv", "--out", "again").status == 0
    os.rename("rows.csv", "moved.csv")
    for verb in (("evaluate", "run"), ("score", "run", "copy.csv")):
        error = call(*verb).error
        assert "run: its data are no longer at /" in error and error.endswith("give them with --data")


def test_a_folder_is_told_by_names_and_contents_of_what_is_read(project):
    before = load_data("scans").origin
    for name in ("notes.md", "scores.csv", ".hidden.png"):
        (project / "project" / "scans" / name).touch()
    os.utime("scans/3.png")
    assert load_data("scans").origin == before
    assert cr.load_data(**before).origin == before
    for change in (
        lambda: os.rename("scans/3.png", "scans/x.png"),
        lambda: shutil.copy("scans/4.png", "scans/5.png"),
        lambda: os.remove("scans/19.png"),
    ):
        change()
        now = load_data("scans").origin
        assert now["checksum"] != before["checksum"]
        with pytest.raises(DataError, match=f"was {before['checksum'][7:15]}, is {now['checksum'][7:15]}"):
            load_data(**before)
        before = now


def test_named_sets_go_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()  # a name wins
    assert load_data("digits").origin == {"source": "digits", "seed": 0}


def test_a_run_cannot_replace_itself_by_its_own_data(project):
    assert call("train", "independent", "--data", "rows.csv", "--out", "run").status == 0
    shutil.copy("rows.csv", "run/rows.csv")
    again = ("train", "made", "--data", "run/rows.csv", "--out", "run")
    assert "run: holds the data to train on" in call(*again, "--overwrite").error
    with pytest.raises(RunError, match="holds the data"):
        data = load_data("run/rows.csv")
        cr.fit(cr.create_model("made", data.domain), data, out="run", overwrite=True)
    assert cr.load("run").name == "independent" and os.path.exists("run/rows.csv")
