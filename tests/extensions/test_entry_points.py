"""Another installed package adds a model and a command; it is imported when these are used, not before."""

import json
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.models import load_model, save_model

DOMAIN = cr.Domain.sequence(5, 4)


def test_a_model(installed, tmp_path):
    assert "window" in cr.list_models() and cr.create_model("uniform", DOMAIN)
    assert "my_models" not in sys.modules  # nothing is imported before it is used
    model = cr.create_model("window", DOMAIN, width=8)
    assert type(model).__module__ == "my_models"
    save_model(model, tmp_path, version="0")
    assert load_model(tmp_path).hyperparameters == model.hyperparameters


def test_a_model_and_a_command_in_the_shell(installed, shell):
    np.save("small.npy", np.arange(160).reshape(40, 4) % 3)
    train = ("train", "window", "--data", "small.npy", "--epochs", "1", "--set", "width=4", "--out", "run")
    assert shell(*train, "--device", "cpu", "--json")[0] == 0
    assert shell("evaluate", "run", "--data", "small.npy", "--device", "cpu", "--json")[0] == 0
    status, printed, _ = shell("count", "run")
    assert (status, int(printed)) == (0, (3 * 4 + 1) * 4 + (4 + 1) * 3)
    assert "Count the parameters of a model." in shell("--help")[1]
    assert "Usage: chainrule count" in shell("count", "--help")[1]
    assert json.loads(shell("models", "--json")[1])["window"]["hyperparameters"]["width"] == 64


def test_one_that_cannot_be_imported(installed):
    (installed / "my_models.py").write_text("import nowhere")
    with pytest.raises(
        ChainruleError, match=r"chainrule.models: window = my_models:Window of theirs cannot be"
    ) as e:
        cr.create_model("window", DOMAIN)
    assert str(e.value).endswith("repair or uninstall theirs")
    assert cr.create_model("uniform", DOMAIN).name == "uniform"  # all others go on
