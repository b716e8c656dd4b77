"""Imports run one way, importing is cheap, files stay short, nothing is unpickled."""

import ast
from pathlib import Path

import pytest

from children import PYTHON, ended

ROOT = Path(__file__).parent.parent / "src" / "chainrule"
ROOMS = (
    "errors", "printable", "locks", "files", "results", "column", "lengths", "domain", "bits", "ordering",
    "randomness", "layers", "heads", "engine", "flows", "models", "coding", "data", "training", "recipes", "tasks",
    "sklearn", "distribution", "report", "testing", "cli",
)  # fmt: skip
FILES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.name not in ("__init__.py", "__main__.py") or path.parent != ROOT
]


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path):
    """The rooms that a file imports, at its head or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("chainrule."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.split(".")[1] for alias in node.names if alias.name.startswith("chainrule.")
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up(path):
    own = ROOMS.index(room(path))
    below = [name for name in imported(path) if ROOMS.index(name) > own]
    assert not below, f"{path.name} imports from {below}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 300


def test_every_room_is_known():
    assert {room(path) for path in FILES} <= set(ROOMS)


def test_import_loads_nothing_heavy():
    heavy = (
        "lightning",
        "sklearn",
        "matplotlib",
        "typer",
        "rich",
        "PIL",
        "jinja2",
        "yaml",
        "datasets",
        "scipy",
        "pandas",
    )
    code = (
        "import sys, torch; before = set(sys.modules); import chainrule; "
        f"print([m for m in {heavy} if m in set(sys.modules) - before])"
    )
    assert ended(code, program=PYTHON) == (0, "[]\n", "")


def test_processes_are_started_in_one_place():
    """Only there do they get the ordinary signals, and an end."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        assert path.name == "children.py" or "\nimport subprocess" not in path.read_text(), path.name


def test_nothing_is_unpickled():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None)]
                assert not {"pickle", "cloudpickle", "dill", "joblib"} & set(names), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "torch.save"), path
                if called == "np.load":
                    assert "allow_pickle=False" in ast.unparse(node), path
