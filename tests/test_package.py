"""What a stranger finds around the library: a typed package, its verbs, and the files that say how it is kept."""

import tomllib
from pathlib import Path

import pytest
import yaml

import chainrule as cr

ROOT = Path(__file__).parent.parent
YAML = [
    path
    for pattern in (".*.yaml", "*.yml", "*.cff", ".github/**/*.yml")
    for path in sorted(ROOT.glob(pattern))
]


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_dir_lists_the_verbs():
    assert dir(cr) == sorted(cr.__all__)
    assert all(getattr(cr, name) is not None for name in dir(cr))


def test_the_types_come_along():
    assert (Path(cr.__file__).parent / "py.typed").is_file()
    assert "Typing :: Typed" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_yaml_files_parse(path):
    assert isinstance(read(path), dict)


def test_the_citation_is_of_this_version():
    citation = read(ROOT / "CITATION.cff")
    assert str(citation["version"]) == cr.__version__
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_ci_runs_every_python_on_the_oldest_and_newest():
    matrix = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["matrix"]["strategy"]["matrix"]
    assert matrix == {"python": ["3.11", "3.12", "3.13", "3.14"], "dependencies": ["oldest", "newest"]}


def test_the_stolen_releases_are_excluded():
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (lightning,) = [need for need in needs if need.startswith("lightning")]
    assert {"!=2.6.2", "!=2.6.3"} <= set(lightning.split(","))


def test_pre_commit_has_the_ruff_that_is_pinned():
    """Two versions of a formatter would undo each other."""
    pinned = [
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("ruff==")
    ]
    hooks = {repo["repo"]: repo["rev"] for repo in read(ROOT / ".pre-commit-config.yaml")["repos"]}
    assert [f"ruff=={hooks['https://github.com/astral-sh/ruff-pre-commit'].removeprefix('v')}"] == pinned
