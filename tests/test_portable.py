"""A run in one file: read as untrusted, used as a folder, its numbers measured again."""

import json
import os
import zipfile

import pandas as pd
import pytest
import torch
import yaml

import chainrule as cr
from chainrule import portable, where
from chainrule.errors import ChainruleError, RunError
from chainrule.portable import read_package, unpack, unpacked, write_package
from chainrule.run_files import CARD, CONFIG, NUMBERS, REFERENCE, WEIGHTS
from chainrule.tasks.sharing import measure, reference_of
from chainrule.training import Run
from digits_run import write_run
from test_cli import call


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "chainrule" / "runs"


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path / "run", "made", hidden=[8])
    return tmp_path / "run"


@pytest.fixture
def packed(folder, tmp_path):
    write_package(folder, tmp_path / "digits.chainrule")
    return tmp_path / "digits.chainrule"


def both(*arguments):
    """The status of a command, and what it said."""
    found = call(*arguments)
    return found.status, found.err


def rewritten(path, **parts):
    """The same file with some parts changed, and the digests of others kept; None leaves a part out."""
    with zipfile.ZipFile(path) as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
    content |= {name.replace("__", "."): part for name, part in parts.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in content.items():
            if part is not None:
                archive.writestr(name, part)
    return path


# --- a file stands for a run --------------------------------------------------------------------------


def test_a_file_gives_what_the_folder_gives(folder, packed, cache):
    x = cr.load_data("digits").test[:4]
    assert cr.load(packed).log_prob(x).equal(cr.load(folder).log_prob(x))
    run = Run.open(packed)
    assert run.name == str(packed) and run.folder.parent == cache and run.config == Run.open(folder).config


def test_it_is_unpacked_once(packed, cache, monkeypatch):
    first = unpacked(packed)
    monkeypatch.setattr(portable, "unpack", None)
    assert unpacked(packed) == first and [path.name for path in cache.iterdir()] == [first.name]


def test_a_cache_that_cannot_be_written_is_done_without(packed, cache):
    cache.parent.parent.mkdir(parents=True, exist_ok=True)
    cache.parent.write_text("a file where the folder would be")
    assert (unpacked(packed) / WEIGHTS).is_file()


def test_what_another_process_has_unpacked_meanwhile_is_taken(packed, monkeypatch):
    def twice(path, folder):
        unpack(path, folder)
        unpack(path, folder)

    monkeypatch.setattr(portable, "unpack", twice)
    assert (unpacked(packed) / WEIGHTS).is_file()


def test_the_same_run_gives_the_same_bytes(folder, packed, tmp_path):
    write_package(folder, tmp_path / "again.chainrule")
    assert (tmp_path / "again.chainrule").read_bytes() == packed.read_bytes()
    assert os.stat(packed).st_mode & 0o044 == 0o044  # others may read it


def test_half_the_size(folder, tmp_path):
    write_package(folder, tmp_path / "half.chainrule", half=True)
    own, halved = Run.open(folder).model, Run.open(tmp_path / "half.chainrule").model
    for name, value in own.state_dict().items():
        assert halved.state_dict()[name].equal(value.bfloat16().float()), name
    weights = len(read_package(tmp_path / "half.chainrule")[WEIGHTS])
    write_package(folder, tmp_path / "whole.chainrule")
    saved = (tmp_path / "whole.chainrule").stat().st_size - (tmp_path / "half.chainrule").stat().st_size
    assert abs(saved - weights / 2) < 1000


def test_all_commands_take_it(packed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("evaluate", packed, "--no-baselines").status == 0
    status, said = both("sample", packed, "-n", 4)
    assert status == 0 and (tmp_path / "samples.png").is_file(), said  # beside, where RUN is no folder
    assert call("unpack", packed, "-o", tmp_path / "again").status == 0
    assert call("sample", tmp_path / "again", "-n", 4).status == 0
    assert (tmp_path / "again" / "samples.png").is_file()
    status, said = both("unpack", packed, "-o", tmp_path / "again")
    assert status == 1 and "expected a new folder" in said
    status, said = both(
        "train", "made", "--data", "digits", "--set", "hidden=[8]", "--from", packed, "--epochs", 1
    )
    assert status == 0, said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zoo:nmaes", "no such trained model"),
        ("nowhere", "no such run; expected a run folder, a .chainrule file, zoo:NAME or hf://USER/NAME"),
        ("hf://names", "expected hf://USER/NAME or hf://USER/NAME@REVISION"),
        ("hf://../x@y", "expected hf://USER/NAME"),
    ],
)
def test_what_is_no_run_is_refused(name, words):
    with pytest.raises(RunError, match=words):
        where.locate(name)
    status, said = both("sample", name)
    assert status == 1 and words in said


# --- untrusted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and more", b"text"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.chainrule").write_bytes(content)
    with pytest.raises(RunError, match=r"not a readable \.chainrule file"):
        read_package(tmp_path / "x.chainrule")


@pytest.mark.parametrize("name", ["../evil.py", "code.py", "/etc/x", "sub/model.json", "model.pkl"])
def test_nothing_but_the_parts_is_taken(packed, tmp_path, name):
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(RunError, match="holds"):
        unpack(packed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_part_twice_is_refused(packed):
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(CARD, b"{}")
    with pytest.raises(RunError, match="twice"):
        read_package(packed)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"model__json": b"{}"}, "model.json is damaged"),
        ({"model__safetensors": b"x"}, "model.safetensors is damaged"),
        ({"model__safetensors": None}, "holds no model.safetensors"),
        ({"chainrule__json": None}, "found no chainrule.json"),
        ({"chainrule__json": b"[]"}, "expected format, versions and digests"),
        ({"chainrule__json": b"{"}, "not a readable"),
        ({"chainrule__json": json.dumps({"format": 2, "sha256": {}}).encode()}, "upgrade chainrule"),
    ],
)
def test_damage_is_named(packed, parts, words):
    with pytest.raises(RunError, match=words):
        read_package(rewritten(packed, **parts))


def test_a_bomb_is_refused_before_it_is_opened(packed, monkeypatch):
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metrics.csv", b"0" * 2**24)
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(RunError, match=r"metrics.csv: expected a part as `chainrule pack` stores it"):
        read_package(packed)


def test_weights_that_are_compressed_are_refused(packed):
    with zipfile.ZipFile(packed) as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    with pytest.raises(RunError, match=r"model.safetensors: expected a part as"):
        read_package(packed)


# --- its numbers --------------------------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path):
    """A file of rows, and a run that was trained on it."""
    frame = pd.DataFrame({"a": [k % 7 for k in range(300)], "b": ["xyz"[k % 3] for k in range(300)]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "trained"
    status, said = both(
        "train", "made", "--data", tmp_path / "rows.csv", "--epochs", 1, "--set", "hidden=[8]", "--out", out
    )
    assert status == 0, said
    return tmp_path / "rows.csv", out


def test_a_packed_run_says_what_it_is_worth(rows, tmp_path):
    source, run = rows
    file = tmp_path / "rows.chainrule"
    assert call("pack", run, "-o", file, "--half", "--licence", "mit").status == 0
    opened = Run.open(file)
    numbers = json.loads((opened.folder / NUMBERS).read_text())
    data = cr.load_data(source)
    again = measure(opened, data)
    assert {key: again[key] for key in ("n", "nats", "nats_se")} == {
        key: numbers[key] for key in ("n", "nats", "nats_se")
    }
    assert numbers["n"] == len(data.test)
    assert "| licence | mit |" in (opened.folder / "card.md").read_text()
    # The file's name and digest, and not where this machine keeps it.
    config = yaml.safe_load((opened.folder / CONFIG).read_text())
    assert config["data"]["source"] == "rows.csv" and config["data"]["checksum"].startswith("sha256:")
    assert str(tmp_path) not in (opened.folder / CONFIG).read_text() + (opened.folder / "card.md").read_text()


def test_a_packed_run_names_no_folder_of_this_machine(folder, tmp_path):
    config = yaml.safe_load((folder / CONFIG).read_text())
    elsewhere = {"source": str(tmp_path / "gpt2"), "checksum": "sha256:0"}
    config |= {"start": str(tmp_path / "first"), "pretrained": elsewhere, "data": {"source": "digits"}}
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    cr.pack(Run.open(folder), tmp_path / "x.chainrule")
    text = read_package(tmp_path / "x.chainrule")[CONFIG].decode()
    assert str(tmp_path) not in text
    shown = yaml.safe_load(text)
    assert shown["start"] == "first" and shown["pretrained"] == {"source": "gpt2", "checksum": "sha256:0"}
    assert shown["data"]["source"] == "digits"


def test_scores_have_ranks_without_the_data(rows, tmp_path):
    source, run = rows
    file = tmp_path / "rows.chainrule"
    assert call("pack", run, "-o", file).status == 0
    new = tmp_path / "new.csv"
    new.write_text("a,b\n1,x\n6,z\n")
    before = call("score", run, new, "--json")
    source.unlink()
    after = call("score", file, new, "--json")
    assert after.status == 0, after.err
    assert json.loads(after.out)["scores"] == json.loads(before.out)["scores"]
    nats = reference_of(Run.open(file).folder)
    assert len(nats) == len(cr.load_data("digits").first(30).train) == 30 and nats.dtype == torch.float64
    status, said = both("score", file, new, "--blame")
    assert status == 1 and "give them with --data" in said


def test_what_holds_and_what_does_not(rows, tmp_path):
    source, run = rows
    file = tmp_path / "rows.chainrule"
    call("pack", run, "-o", file)
    for name in (run, file):
        status, said = both("verify", name, "--data", source)
        assert status == 0 and "holds" in said, said
    unpack(file, tmp_path / "out")
    numbers = json.loads((tmp_path / "out" / NUMBERS).read_text())
    (tmp_path / "out" / NUMBERS).write_text(json.dumps({**numbers, "nats": numbers["nats"] + 0.01}))
    status, said = both("verify", tmp_path / "out", "--data", source)
    assert status == 1 and "does not hold" in said
    (tmp_path / "out" / NUMBERS).write_text(json.dumps({**numbers, "n": numbers["n"] - 1}))
    assert call("verify", tmp_path / "out", "--data", source).status == 1
    source.write_text(source.read_text() + "1,x\n")  # other data are no proof
    status, said = both("verify", file, "--data", source)
    assert status == 1 and "has changed" in said


def test_a_run_packed_without_data_says_so(rows, tmp_path):
    source, run = rows
    source.unlink()
    status, said = both("pack", run, "-o", tmp_path / "rows.chainrule")
    assert status == 0 and "nothing is measured" in said
    opened = Run.open(tmp_path / "rows.chainrule")
    assert not (opened.folder / NUMBERS).exists() and not (opened.folder / REFERENCE).exists()
    status, said = both("score", tmp_path / "rows.chainrule", "digits")
    assert status == 1


def test_what_was_measured_goes_along_when_packed_again(rows, tmp_path):
    source, run = rows
    call("pack", run, "-o", tmp_path / "a.chainrule")
    source.unlink()
    assert call("pack", tmp_path / "a.chainrule", "-o", tmp_path / "b.chainrule").status == 0
    one, two = (read_package(tmp_path / f"{name}.chainrule") for name in "ab")
    assert all(one[name] == two[name] for name in (NUMBERS, REFERENCE, "card.md"))


def test_packing_leaves_the_model_as_it_is(rows, tmp_path):
    run = Run.open(rows[1])
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    cr.pack(run, tmp_path / "x.chainrule", cr.load_data(rows[0]), half=True)
    assert all(value.equal(before[name]) for name, value in run.model.state_dict().items())


def test_a_reference_of_something_else_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"valid_nats": torch.ones(3)}, tmp_path / REFERENCE)
    with pytest.raises(RunError, match="expected the nats of held-out items"):
        reference_of(tmp_path)
    save_file({"valid_nats": torch.arange(1000.0, dtype=torch.float64)}, tmp_path / REFERENCE)
    assert len(reference_of(tmp_path, 10)) == 10 and reference_of(tmp_path, 1001) is None


def test_one_reference(rows):
    model, x = Run.open(rows[1]).model, cr.load_data(rows[0]).test
    with pytest.raises(ChainruleError, match="expected items, or reference_nats, got none"):
        cr.score(model, x)
    with pytest.raises(ChainruleError, match="got both"):
        cr.score(model, x, x, reference_nats=torch.ones(3))
