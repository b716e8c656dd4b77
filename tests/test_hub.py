"""Runs on the hub, with the real client and a server on this machine."""

import os
import subprocess
import sys

import pytest

from chainrule.hub import split
from children import ended
from digits_run import write_run
from hub_server import hub

pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run, and one commit of it on a hub."""
    folder = tmp_path_factory.mktemp("hub")
    write_run(folder / "run", "made", hidden=[8])
    with hub() as server:
        yield folder, server


def command(place, *arguments, offline=False):
    folder, server = place
    names = {
        "HF_ENDPOINT": server.address,
        "HF_HOME": str(folder / "cache"),
        "HF_TOKEN": "hf_x",
        "HF_HUB_OFFLINE": "1" if offline else "0",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)  # a child takes them over; this process has read its own
    try:
        return ended(*arguments, cwd=folder)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def test_a_run_goes_there_and_back(place):
    folder, server = place
    status, _, said = command(place, "push", "run", "ada/digits", "--licence", "mit")
    assert status == 0, said
    address = said.split()[-1]
    [(_, _), (oid, files)] = server.commits["ada/digits"]
    assert address == f"hf://ada/digits@{oid}"
    assert set(files) == {
        "README.md",
        "card.md",
        "config.yaml",
        "model.json",
        "model.safetensors",
        "numbers.json",
        "reference.safetensors",
    }
    card = files["README.md"].decode()
    assert (
        card.startswith("---\n")
        and "license: mit" in card
        and "model-index:" in card
        and "type: nats" in card
    )
    again = command(place, "sample", address, "-n", "3", "-o", "a.npy")
    assert again[0] == 0, again[2]
    assert command(place, "sample", "run", "-n", "3", "-o", "b.npy")[0] == 0
    assert (folder / "a.npy").read_bytes() == (folder / "b.npy").read_bytes()
    # What is in the cache needs no network; what is not says so.
    assert command(place, "sample", address, "-n", "1", "-o", "c.npy", offline=True)[0] == 0
    status, _, said = command(place, "sample", "hf://ada/letters", "-n", "1", offline=True)
    assert status == 1 and "hf://ada/letters: not in the cache" in said
    # A pinned revision stays what it was.
    write_run(folder / "run", "made", seed=1, hidden=[8])
    assert command(place, "push", "run", "ada/digits")[0] == 0
    assert command(place, "pull", address, "-o", "old")[0] == 0
    assert command(place, "pull", "hf://ada/digits", "-o", "new")[0] == 0
    assert (folder / "old/model.safetensors").read_bytes() == files["model.safetensors"]
    assert (folder / "new/model.safetensors").read_bytes() != files["model.safetensors"]


def test_what_is_not_there(place):
    _, server = place
    server.commits.setdefault("ada/empty", [])
    server.commit("ada/empty", {"code.py": b"print()", "pytorch_model.bin": b"pickle"})
    for address, words in {
        "hf://ada/nothing": "no such repository",
        "hf://ada/empty@v9": "no such revision",
        "hf://ada/empty": "holds no run: expected model.json",
    }.items():
        status, _, said = command(place, "evaluate", address)
        assert status == 1 and f"{address}: {words}" in said, said
    assert not [asked for asked in server.asked if "code.py" in asked or "pytorch_model.bin" in asked]


def test_a_model_can_be_pushed_from_python(place):
    folder, server = place
    code = (
        "import chainrule as cr; m = cr.create_model('made', cr.Domain.parse('vector:6:2'), hidden=[4]); "
        "print(m.push_to_hub('ada/tiny')); assert cr.load('hf://ada/tiny').sample(2).shape == (2, 6)"
    )
    names = {"HF_ENDPOINT": server.address, "HF_HOME": str(folder / "other"), "HF_TOKEN": "hf_x"}
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **names}, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("hf://ada/tiny@")


def test_addresses():
    assert split("hf://ada/names") == ("ada/names", None) and split("hf://ada/names@v1") == (
        "ada/names",
        "v1",
    )
