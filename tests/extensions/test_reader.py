"""A reader and a writer of a format that the library does not know, in a file outside of it."""

import json
from pathlib import Path

import pytest
import torch
import toy_format

import chainrule as cr
from chainrule.cli import main
from chainrule.data import READERS, load_data, load_items
from chainrule.report import WRITERS, export_items

ROWS = "0 1 2 1\n2 2 1 0\n" * 10
POINTS = (
    "[chainrule.readers]\n.toy = toy_format:read_toy\n[chainrule.writers]\n.toy = toy_format:toy_writer\n"
)


@pytest.fixture(params=["registered", "installed"])
def folder(request, tmp_path, monkeypatch):
    """Some items as a .toy, whose format is registered, or named by the entry points of an installed package."""
    monkeypatch.chdir(tmp_path)
    if request.param == "registered":
        toy_format.register()
    else:
        info = tmp_path / "toy-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(POINTS)
        monkeypatch.syspath_prepend(tmp_path)
    Path("x.toy").write_text(ROWS)
    yield tmp_path
    READERS.pop(".toy"), WRITERS.pop(".toy", None)


def test_items_are_read_and_written(folder):
    data = load_data("x.toy")
    assert str(data.domain) == "vector:4:3" and load_items("x.toy", data.domain).x.shape == (20, 4)
    export_items(data.train, data.domain, "y.toy")
    assert torch.equal(load_items("y.toy", data.domain).x, data.train)
    with pytest.raises(cr.errors.ChainruleError, match=r"expected the ending \.png or .*, got \.toy"):
        export_items(torch.zeros(1, 2), cr.Domain.vector(2), "z.toy")


def test_commands_take_the_format(folder, capsys):
    assert main(["train", "made", "--data", "x.toy", "--epochs", "1", "--out", "run"]) == 0
    assert main(["sample", "run", "-n", "3", "-o", "s.toy"]) == 0
    assert len(Path("s.toy").read_text().splitlines()) == 3
    capsys.readouterr()
    assert main(["score", "run", "s.toy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == 3


def test_a_damaged_file_is_one_line_that_names_it(folder):
    Path("bad.toy").write_text("0 1\nzwei 3\n")
    with pytest.raises(cr.errors.DataError, match=r"^bad\.toy: cannot be read: .*zwei"):
        load_data("bad.toy")
