"""What cannot be trained from the shell is said in one line."""

import pytest


@pytest.mark.parametrize(
    "model, message",
    [
        ("my_models:Window --set unit=rleu", "unit: expected 'relu' or 'tanh', got 'rleu'"),
        ("my_models:Windows", "model my_models:Windows: expected a subclass of chainrule.models.Model, got"),
        ("nowhere:Window", "nowhere: cannot be imported (ModuleNotFoundError: No module named 'nowhere')"),
        ("./nowhere.py:Window", "./nowhere.py: no such file"),
        ("./json.py:Window", "./json.py: another module is called json ("),
        ("window --import", "--import: expected a module, such as package.module or ./my_model.py"),
    ],
)
def test_what_cannot_be_trained(shell, outside, model, message):
    (outside / "json.py").write_text("")
    (outside / "small.npy").write_bytes(b"")  # is not read
    status, _, said = shell("train", "--data", "small.npy", *model.split())
    assert status == 1 and said.splitlines()[-1].startswith(f"error: {message}")
