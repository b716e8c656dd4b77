"""Runs on the hub, with the real client and a server on this machine."""

import json
import sys
from pathlib import Path

import pytest

from chainrule.hub import pull, split
from children import PYTHON, ended
from digits_run import write_run
from hub_server import hub

pytest.importorskip("huggingface_hub")

# The client reads where the hub is when it is imported, so that commands run in processes of their own, several in one.
SCRIPT = """
import contextlib, io, json, os, sys
os.environ |= json.loads(sys.argv[1])
from chainrule.cli import main

def call(command):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        return main(command), out.getvalue(), err.getvalue()

print(json.dumps([call(command) for command in json.loads(sys.argv[2])]))
"""
PARTS = {"card.md", "config.yaml", "model.json", "model.safetensors", "numbers.json", "reference.safetensors"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two runs, and a hub."""
    folder = tmp_path_factory.mktemp("hub")
    write_run(folder / "run", "made", hidden=[8])
    write_run(folder / "other", "made", seed=1, hidden=[8])
    with hub() as server:
        yield folder, server


def environment(place, **more):
    folder, server = place
    names = {"HF_ENDPOINT": server.address, "HF_HOME": str(folder / "cache"), "HF_TOKEN": "hf_x"}
    return json.dumps({**names, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", **more})


def commands(place, *wanted, **environ):
    """How commands ended: status, what they gave and said."""
    status, out, said = ended(
        SCRIPT, environment(place, **environ), json.dumps(wanted), program=PYTHON, cwd=place[0]
    )
    assert status == 0, said
    return json.loads(out.splitlines()[-1])


def test_a_run_goes_there_and_back(place):
    folder, server = place
    [(status, _, said)] = commands(place, ["push", "run", "ada/digits", "--licence", "mit"])
    assert status == 0, said
    [_, (oid, files)] = server.commits["ada/digits"]
    address = f"hf://ada/digits@{oid}"
    assert said.split()[-1] == address and set(files) == {"README.md", *PARTS}
    card = files["README.md"].decode()
    assert card.startswith("---\n") and "\nlicense: mit\n" in card and "- type: nats\n" in card
    found = commands(
        place,
        ["sample", address, "-n", "3", "-o", "a.npy"],
        ["sample", "run", "-n", "3", "-o", "b.npy"],
        ["push", "other", "ada/digits"],
        ["pull", address, "-o", "old"],  # a pinned revision stays what it was
        ["pull", "hf://ada/digits", "-o", "new"],
    )
    assert [status for status, _, _ in found] == [0] * 5, found
    assert (folder / "a.npy").read_bytes() == (folder / "b.npy").read_bytes()
    assert (folder / "old/model.safetensors").read_bytes() == files["model.safetensors"]
    assert (folder / "new/model.safetensors").read_bytes() != files["model.safetensors"]
    # What is in the cache needs no network; what is not says so.
    there, missing = commands(
        place,
        ["sample", address, "-n", "1", "-o", "c.npy"],
        ["sample", "hf://ada/letters"],
        HF_HUB_OFFLINE="1",
    )
    assert there[0] == 0 and missing[0] == 1
    assert "hf://ada/letters: not in the cache, and the hub cannot be reached" in missing[2]


def test_a_published_model_is_imported_from_there(place):
    folder, server = place
    sys.path.insert(0, str(Path(__file__).parent / "equality"))
    published = pytest.importorskip("published")
    published.gpt2().save_pretrained(folder / "gpt2")
    server.commits["ada/gpt2"] = []
    files = {path.name: path.read_bytes() for path in (folder / "gpt2").iterdir()}
    server.commit("ada/gpt2", {**files, "modeling.py": b"print()", "tf_model.h5": b"much"})
    found = commands(
        place, ["import", "hf://ada/gpt2", "-o", "imported"], ["sample", "imported", "-n", "2", "-o", "x.npy"]
    )
    assert [status for status, _, _ in found] == [0, 0], found
    assert "source: hf://ada/gpt2" in (folder / "imported" / "config.yaml").read_text()
    assert not [asked for asked in server.asked if "modeling.py" in asked or "tf_model" in asked]


def test_what_is_not_there(place):
    _, server = place
    server.commits.setdefault("ada/empty", [])
    server.commit("ada/empty", {"code.py": b"print()", "pytorch_model.bin": b"pickle"})
    refused = {
        "hf://ada/nothing": "no such repository",
        "hf://ada/empty@v9": "no such revision",
        "hf://ada/empty": "holds no run: expected model.json",
    }
    found = commands(place, *(["evaluate", address] for address in refused))
    for (status, _, said), (address, words) in zip(found, refused.items(), strict=True):
        assert status == 1 and f"{address}: {words}" in said, said
    assert not [asked for asked in server.asked if "code.py" in asked or "pytorch_model.bin" in asked]


def test_a_model_can_be_pushed_from_python(place):
    code = (
        "import json, os, sys; os.environ |= json.loads(sys.argv[1]); import chainrule as cr; "
        "model = cr.create_model('made', cr.Domain.parse('vector:6:2'), hidden=[4]); "
        "print(model.push_to_hub('ada/tiny')); assert cr.load('hf://ada/tiny').sample(2).shape == (2, 6)"
    )
    status, out, said = ended(code, environment(place), program=PYTHON)
    assert status == 0 and out.startswith("hf://ada/tiny@"), said


def test_only_the_parts_of_a_run_are_asked_for(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def download(repo, **options):
        asked.append((repo, options))
        return tmp_path

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    write_run(tmp_path, "made", hidden=[8])
    assert pull("hf://ada/digits@v1") == tmp_path
    [(repo, options)] = asked
    assert repo == "ada/digits" and options["revision"] == "v1"
    assert set(options["allow_patterns"]) >= PARTS and "*" not in "".join(options["allow_patterns"])


def test_addresses():
    assert split("hf://ada/names") == ("ada/names", None) and split("hf://ada/names@v1") == (
        "ada/names",
        "v1",
    )
