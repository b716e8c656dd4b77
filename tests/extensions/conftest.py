"""Other people's code: the examples of docs/how-to/extending.md, in a folder outside the library."""

import re
import sys
from pathlib import Path

import pytest

from chainrule.cli import main
from chainrule.models import MODELS

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "extending.md").read_text()
OURS = dict(MODELS)


def forget(folder):
    """Undo what importing from a folder did, as a new process would start."""
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(folder):
            del sys.modules[name]
    MODELS.clear()
    MODELS.update(OURS)


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder with the page's modules, importable until the test ends."""
    for name, text in re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget(tmp_path)


@pytest.fixture
def installed(outside):
    """The same folder as an installed package, with the page's entry points."""
    info = outside / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    toml = "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
    points = re.sub(r'\[project\.entry-points\."(.+?)"\]', r"[\1]", toml).replace('"', "")
    (info / "entry_points.txt").write_text(points)
    return outside


@pytest.fixture
def shell(outside, capsys):
    """A command as a new process would run it: its status, what it printed, what it said."""

    def call(*arguments):
        forget(outside)
        status = main([*arguments])
        return status, *capsys.readouterr()

    return call
