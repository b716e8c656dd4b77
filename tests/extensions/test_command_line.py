"""A model of somebody else's, trained from the shell by its class; its run opens where its module is imported."""

import json

import pytest

TRAIN = (
    "--data",
    "small.npy",
    "--epochs",
    "1",
    "--set",
    "width=4",
    "--out",
    "run",
    "--device",
    "cpu",
    "--json",
)
EVALUATE = ("evaluate", "run", "--data", "small.npy", "--device", "cpu", "--no-baselines", "--json")


@pytest.fixture(autouse=True)
def small(outside):
    import numpy as np

    np.save(outside / "small.npy", np.arange(160).reshape(40, 4) % 3)


def test_its_run_opens_with_import(shell, outside):
    assert shell("train", "my_models:Window", *TRAIN, "--set", "unit=tanh")[0] == 0
    assert json.loads((outside / "run" / "model.json").read_text())["name"] == "my_models:Window"
    for module in (("--import", "my_models"), ("--import=./my_models.py",)):
        status, printed, said = shell(*EVALUATE, *module)
        assert status == 0 and json.loads(printed)["nats"] > 0, said
    assert shell("sample", "run", "-n", "1", "-o", "one.npy", "--import", "my_models")[0] == 0
    assert (outside / "one.npy").is_file()


def test_its_run_imports_nothing_by_itself(shell, outside):
    assert shell("train", "my_models:Window", *TRAIN)[0] == 0
    (outside / "my_models.py").write_text("open('ran', 'w')")
    for command in (EVALUATE, ("train", "run/config.yaml", "--out", "again")):
        status, _, said = shell(*command)
        assert status == 1 and said.startswith("error: ") and said.count("\n") == 1
        assert "reading a run never runs code" in said and "--import my_models" in said
    assert not (outside / "ran").exists()


def test_a_file_and_a_registered_name(shell, outside):
    (outside / "sub").mkdir()
    (outside / "my_models.py").rename(outside / "sub" / "theirs.py")
    assert shell("train", "./sub/theirs.py:Window", *TRAIN)[0] == 0
    assert shell(*EVALUATE, "--import", "sub/theirs.py")[0] == 0
    assert shell("train", "window", *TRAIN, "--overwrite", "--import", "sub/theirs.py")[0] == 0
