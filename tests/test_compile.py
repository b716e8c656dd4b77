"""`compile`, `doctor` and `--verbose`: which steps are native, and why."""

import json
import sys

import pytest

import chainrule as cr
from children import ended
from test_cli import call

machine = pytest.importorskip("chainrule.engine.native.machine")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "made"
    out = call("train", "made", "--data", "digits", "--epochs", "1", "--set", "hidden=[8]", "--device", "cpu",
               "--out", folder)  # fmt: skip
    assert out.status == 0, out.err
    return folder


def test_the_loop_is_compiled_ahead():
    place = machine.keep()
    assert call("compile").err == f"compiled already: {place}\n"


def test_nowhere_to_keep_the_loop(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    out = call("compile")
    assert (
        out.error == f"error: compile: expected a folder that can be written, got none of {tmp_path / 'file'}"
    )


def test_doctor_says_what_there_is(monkeypatch):
    out = call("doctor", "--json")
    found = json.loads(out.out)
    assert found["chainrule"] == cr.__version__ and found["native loop"] == f"compiled: {machine.find()}"
    assert "extra [music]" in found and "extra [dev]" not in found
    monkeypatch.setattr(machine, "find", lambda: None)
    assert "native loop    not compiled: " in call("doctor").out
    monkeypatch.delattr("chainrule.engine.native.machine")
    monkeypatch.setitem(sys.modules, "chainrule.engine.native.machine", None)  # it cannot be imported
    assert "native loop    none, draws are eager: numba cannot be loaded" in call("doctor").out


def test_verbose_says_which_steps_are_native(run, tmp_path):
    quiet = call("sample", run, "-n", "4", "-o", tmp_path / "a.npy")
    assert "eager steps" not in quiet.err
    out = call("sample", run, "-n", "4", "-o", tmp_path / "b.npy", "--verbose")
    assert "made: native steps" in out.err or "made: eager steps: " in out.err


def test_a_short_sample_begins_to_compile_for_the_next(run, tmp_path):
    """In a new place nothing is compiled: the first process draws eagerly, and leaves another at work."""
    code = (
        "import os, sys, chainrule as cr\n"
        "from chainrule.engine import auto\n"
        "from chainrule.engine.native import machine\n"
        'machine.BACKGROUND = \'import pathlib, os; pathlib.Path(os.environ["NUMBA_CACHE_DIR"], "asked").touch()\'\n'
        "auto.RECORDING = -1.0\n"
        "model = cr.load(sys.argv[1])\n"
        "assert not machine.ready()\n"
        "model.sample(2)\n"
        "machine._compiler[0].wait()\n"
        "print(auto.account_of(model.factorisation).said)"
    )
    environment = ("env", f"NUMBA_CACHE_DIR={tmp_path}", sys.executable, "-c", code)
    status, out, said = ended(str(run), program=environment)
    assert (status, out) == (0, "eager steps: the native loop is not compiled yet\n"), said
    assert (tmp_path / "asked").exists()
