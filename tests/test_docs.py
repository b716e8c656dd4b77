"""The code blocks of README and docs run as printed, with less training."""

import functools
import importlib
import re
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.testing import LawViolation

ROOT = Path(__file__).parent.parent


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_first_block(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cr, "fit", functools.partial(cr.fit, epochs=1, progress=False), raising=False)
    names = {}
    exec(blocks(page)[0], names)
    assert (tmp_path / "runs" / "digits" / "model.safetensors").is_file()
    assert names["model"].complete(names["data"].test[:4], names["known"], n=8).shape == (4, 8, 1, 8, 8)


def test_your_own_model():
    define, prove = blocks("docs/how-to/own-model.md")
    names = {}
    exec(define, names)
    assert names["model"].sample(3).shape == (3, 6)
    with pytest.raises(LawViolation) as violation:
        exec(prove, names)
    printed = prove.split("# LawViolation: ")[1].strip()
    assert str(violation.value) == printed


def test_latent_images():
    names = {}
    exec(blocks("docs/how-to/latent.md")[0], names)
    assert names["codes"].encode(names["x"]).shape == (2, 1, 4, 4)
    assert names["model"].reconstruct(names["x"], n=3).shape == (2, 3, 1, 8, 8)


def test_autoencoders(capsys):
    names = {}
    for block in blocks("docs/learn/autoencoders.md"):
        exec(block, names)
    assert "MADE: 1.000000" in capsys.readouterr().out
    assert names["made"].complete(names["data"][:1], names["known"], n=3).shape == (1, 3, 8)


def test_sequences(capsys):
    names = {}
    exec(blocks("docs/how-to/sequences.md")[0], names)
    assert capsys.readouterr().out == "torch.Size([2, 16])\n" * 20
    assert next(names["model"].stream(prompt=names["prompt"])).shape == (1, 1)


def test_compression():
    exec(blocks("docs/how-to/compression.md")[0], {})


def test_predictive_sampling():
    names = {}
    exec(blocks("docs/how-to/predictive.md")[0], names)
    seeded = names["torch"].Generator().manual_seed(0)
    assert names["torch"].equal(names["x"], names["model"].sample(2, generator=seeded))


def test_every_command_in_the_readme_exists():
    from chainrule.cli.commands import COMMANDS

    used = set(re.findall(r"^chainrule (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert used and used <= set(COMMANDS)


def test_anomaly_scores():
    names = {}
    exec(blocks("docs/how-to/scores.md")[1], names)
    assert names["hidden"].exact.all() and names["scores"].p_value.shape == (447,)


def test_the_reference_shows_what_exists():
    """Each object of docs/reference/api, and all public names of the package."""
    import importlib

    shown = [
        name
        for page in (ROOT / "docs" / "reference" / "api").glob("*.md")
        for name in re.findall("^::: (.*)$", page.read_text(), re.M)
    ]
    assert len(shown) > 20
    for name in shown:
        module, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(module), last) or importlib.import_module(name), name
    missing = set(cr.__all__) - {name.split(".")[-1] for name in shown} - {"__version__"}
    assert not missing


def test_tables_are_those_of_the_records(monkeypatch):
    """`python tools/tables.py` has been run: pages show what records say."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    tables = importlib.import_module("tables")
    made = tables.made_tables()
    for page in tables.PAGES:
        text = page.read_text()
        assert tables.filled(text, made) == text, page.name
