"""Run folders: nothing of the user's is destroyed, and no two runs mix."""

import dataclasses
import os
import stat
import sys
import threading

import pytest

import chainrule as cr
from chainrule.errors import RunError
from chainrule.run_files import WRITTEN
from chainrule.training import Run, replacement
from chainrule.training.folder import locked, written
from chainrule.training.keeper import Keeper
from children import PYTHON, child
from test_cli import call

fitting = sys.modules["chainrule.training.fit"]  # the package has the function of this name
MINE = {".git/HEAD": "ref", "notes.txt": "mine", "data/rows.csv": "1,2", "checkpoints/best-of-may.ckpt": "x"}
OTHERS = {"trials/0/model.safetensors", "trials/0/checkpoints/last.safetensors", "bits.png"}
TINY = {"epochs": 1, "progress": False}


@pytest.fixture(scope="module")
def digits():
    return cr.load_data("digits").first(100)


def fit(name, data, folder, **options):
    return cr.fit(cr.create_model(name, data.domain), data, out=folder, **options)


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def old(digits, tmp_path):
    """A run, in a folder where the user keeps more."""
    folder = tmp_path / "run"
    fit("independent", digits, folder)
    for name, text in MINE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for name in OTHERS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def is_new(folder):
    """Whether it is the new run, and all of it; or the old one, and all of it."""
    run = Run.open(folder)
    assert run.config["model"] == run.model.name
    here, new = set(content(folder)), run.model.name == "uniform"
    assert here >= set(MINE)
    left = here - set(MINE) - {"config.yaml", "model.json", "model.safetensors", ".chainrule-lock"}
    # Of what was to replace it, nothing stands in its place.
    assert left == set() if new else {name for name in left if ".chainrule-" not in name} == OTHERS
    return new


# --- replacing ----------------------------------------------------------------------------------------


def test_only_the_librarys_files_are_replaced(digits, old):
    run = fit("uniform", digits, old, overwrite=True)
    assert run.folder == old and is_new(old)
    assert {name: (old / name).read_text() for name in MINE} == MINE
    assert not (old / "trials").exists() and not [path for path in old.iterdir() if "chainrule" in path.name]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_the_old_run_stays_until_the_new_one_is_trained(digits, old, monkeypatch, failure):
    before, descend = content(old), fitting.descend

    def stopped(session, model, data, config):
        assert not is_new(old) and content(old).items() >= before.items()
        raise failure

    monkeypatch.setattr(fitting, "descend", stopped)
    with pytest.raises(failure):
        fit("fvsbn", digits, old, overwrite=True, **TINY)
    monkeypatch.setattr(fitting, "descend", descend)
    assert content(old).items() >= before.items()
    assert set(content(old)) - set(before) == {".chainrule-next/config.yaml"}
    with pytest.raises(RunError, match="cannot resume: training was"):
        fit("fvsbn", digits, old, overwrite=True, resume=True, epochs=2, progress=False)
    assert content(old).items() >= before.items()
    fit("uniform", digits, old, overwrite=True)  # begins anew
    assert is_new(old)


def test_an_interrupted_replacement_goes_on(digits, old, tmp_path, monkeypatch):
    whole = fit("fvsbn", digits, tmp_path / "whole", epochs=3, progress=False)
    saved, epochs = Keeper.on_train_epoch_end, []

    def second(self, trainer, module):
        saved(self, trainer, module)
        epochs.append(trainer.current_epoch)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Keeper, "on_train_epoch_end", second)
    with pytest.raises(KeyboardInterrupt):
        fit("fvsbn", digits, old, overwrite=True, epochs=3, progress=False)
    assert cr.load(old).name == "independent"
    run = fit("fvsbn", digits, old, overwrite=True, resume=True, epochs=3, progress=False)
    assert epochs == [0, 1, 2]
    for name in ("model.safetensors", "model.json"):
        assert (old / name).read_bytes() == (whole.folder / name).read_bytes()
    assert [row["valid_nats"] for row in run.metrics] == [row["valid_nats"] for row in whole.metrics]
    assert {name: (old / name).read_text() for name in MINE} == MINE


def test_killed_at_any_moment_of_the_exchange_it_is_one_run(digits, old, monkeypatch):
    """The process ends before the k-th change of a name; whoever reads the folder next finds one run."""
    real = {name: getattr(os, name) for name in ("replace", "unlink", "rmdir")}

    class Killed(BaseException):
        pass

    found, k = [], 0
    while not found or found[-1] != "done":
        left = k

        def dying(change, *args, **options):
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return change(*args, **options)

        fit("independent", digits, old, overwrite=True)
        for name in OTHERS:
            (old / name).parent.mkdir(parents=True, exist_ok=True)
            (old / name).touch()
        with monkeypatch.context() as patch:

            def stops(folder, *, replace=replacement.replace):
                for name, change in real.items():
                    patch.setattr(os, name, lambda *a, change=change, **o: dying(change, *a, **o))
                replace(folder)

            patch.setattr(fitting, "replace", stops)
            try:
                fit("uniform", digits, old, overwrite=True)
                found.append("done")
            except Killed:
                patch.undo()
                found.append("new" if is_new(old) else "old")
        k += 1
    assert found == ["old", *["new"] * (k - 2), "done"] and k > 8
    assert {name: (old / name).read_text() for name in MINE} == MINE


def test_what_is_no_run_or_holds_the_data_is_left_as_it_is(digits, old, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").touch()
    for config in (None, "db: main\n", "[", "- chainrule\n"):
        if config is not None:
            (other / "config.yaml").write_text(config)
        with pytest.raises(RunError, match="expected a run to replace"):
            fit("uniform", digits, other, overwrite=True)
        assert set(content(other)) == {"precious"} | ({"config.yaml"} if config else set())
    (tmp_path / "link").symlink_to(old)
    for source in (old / "data" / "rows.csv", old, tmp_path / "link" / "data"):
        inside = dataclasses.replace(digits, origin={"source": str(source), "checksum": "sha256:0"})
        before = content(old)
        with pytest.raises(RunError, match="holds the data to train on"):
            fit("uniform", inside, old, overwrite=True)
        assert content(old) == before


@pytest.mark.parametrize("name", [str(name) for name in WRITTEN if str(name) != "config.yaml"])
def test_a_file_of_the_same_name_that_is_no_runs_is_not_written_over(digits, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    for resume in (False, True):
        with pytest.raises(
            RunError, match=f"is not a run, but holds a file that a run would replace, .*{name[-9:]}"
        ):
            fit("uniform", digits, tmp_path, resume=resume)
    assert set(content(tmp_path)) == {name}


def test_every_file_that_a_verb_leaves_in_a_run_is_known(tmp_path):
    folder = tmp_path / "run"
    options = ("--set", "channels=8", "--set", "depth=2", "--epochs", "1", "--out", folder)
    for verb in (
        ("train", "causal-conv1d", "--data", "digits", *options),
        ("sample", folder, "-n", "4"),
        ("show", folder),
        ("show", folder, "--bits", "digits"),
    ):
        ended = call(*verb)
        assert ended.status == 0, ended.err
    assert {path for path in folder.rglob("*") if path.is_file()} == set(written(folder))
    assert len(written(folder)) > 8


# --- one process at a time ----------------------------------------------------------------------------


def test_a_folder_that_is_trained_in_is_refused(digits, old, tmp_path):
    before = content(old)
    with locked(old):
        for options in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(RunError, match="another process is training there; wait"):
                fit("uniform", digits, old, **options)
        assert cr.load(old).name == "independent"  # it can be read
    assert content(old) == before
    with pytest.raises(RunError, match="cannot be written"):
        fit("uniform", digits, old / "notes.txt")


HOLD = """
import sys
from pathlib import Path
from chainrule.training.folder import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_does_not_block(digits, tmp_path):
    folder = tmp_path / "new" / "run"
    with child(HOLD, folder, program=PYTHON) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another process"):
            fit("uniform", digits, folder)
        process.kill()
        process.wait()
        assert (folder / ".chainrule-lock").exists()
        fit("uniform", digits, folder)
        assert set(content(folder)) == {"config.yaml", "model.json", "model.safetensors"}


def test_two_at_once_leave_one_run(digits, tmp_path):
    """Of several that begin at the same time one trains; the others change nothing."""
    ended = {}

    def train(name):
        barrier.wait()
        try:
            ended[name] = fit(name, digits, tmp_path / "run", progress=False)
        except RunError as error:
            ended[name] = error

    names = ("uniform", "independent")
    barrier = threading.Barrier(len(names))
    threads = [threading.Thread(target=train, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trained = [name for name in names if isinstance(ended[name], Run)]
    assert len(trained) == 1
    run = Run.open(tmp_path / "run")
    assert run.config["model"] == run.model.name == trained[0]


# --- for other users ----------------------------------------------------------------------------------


def test_files_have_the_mode_that_the_mask_gives(digits, tmp_path):
    before = os.umask(0o027)
    try:
        fit("fvsbn", digits, tmp_path / "run", **TINY)
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").rglob("*")}
    assert len(modes) == 6
    assert {
        path.name: oct(mode) for path, mode in modes.items() if mode != (0o750 if path.is_dir() else 0o640)
    } == {}
