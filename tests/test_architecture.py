"""Imports run one way, importing is cheap, files stay short, nothing is unpickled."""

import ast
import re
from pathlib import Path
from statistics import median

import pytest

from children import PYTHON, ended

SOURCE = Path(__file__).parent.parent / "src"
ROOT = SOURCE / "chainrule"
# From the ground up: a room imports from those before it. The package itself, its version aside, is on top of all but
# the tests' laws and the command line.
ROOMS = (
    "_version", "renamed", "synonyms", "errors", "late", "run_files", "plugins", "printable", "remarks", "locks",
    "files", "portable", "zoo", "hub", "where", "records", "devices", "randomness", "domain", "bits",
    "layers", "networks", "heads", "engine", "flows", "models", "importers", "coding", "data", "training", "tasks",
    "distribution", "sklearn", "scale", "reproduce", "bench", "report", "studio", "testing", "__init__",
    "cli", "__main__",
)  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))
MODULE = re.compile(r"chainrule(\.\w+)*")


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def short(path):
    return path.relative_to(ROOT).with_suffix("").as_posix()


def file_of(module):
    """The file of a module of the library, or None."""
    path = SOURCE / module.replace(".", "/")
    found = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return found[0] if found else None


def imported(path):
    """The library's files that a file imports: at its head, inside functions, for types only, or by name."""
    if path.name == "renamed.py":  # imports by names of before, on the day that somebody uses one
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "chainrule":
            for alias in node.names:
                yield file_of(f"{node.module}.{alias.name}") or file_of(node.module)
        elif isinstance(node, ast.Import):
            yield from (file_of(alias.name) for alias in node.names if MODULE.fullmatch(alias.name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            named, _, _ = node.value.partition(":")  # a class may follow
            file = file_of(named) if MODULE.fullmatch(named) else None
            yield from [file] if file else []


GRAPH = {path: set(imported(path)) - {path} for path in FILES}


def circle(graph):
    """The first circle of a graph, as the list of its nodes; [] if there is none."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        path.append(node)
        for other in sorted(graph.get(node, ())):
            if found := visit(other):
                return found
        done.add(path.pop())
        return []

    return next((found for node in sorted(graph) if (found := visit(node))), [])


def test_a_circle_is_found():
    assert circle({1: {2}, 2: {3}, 3: set()}) == []
    assert circle({1: {2}, 2: {3}, 3: {2}}) == [2, 3, 2]


def test_no_file_imports_itself_by_way_of_others():
    assert " → ".join(map(short, circle(GRAPH))) == ""


@pytest.mark.parametrize("path", FILES, ids=short)
def test_imports_point_up(path):
    own = ROOMS.index(room(path))
    below = [short(file) for file in GRAPH[path] if ROOMS.index(room(file)) > own]
    assert not below, f"{short(path)} imports from {below}"


def test_every_room_is_known():
    assert {room(path) for path in FILES} <= set(ROOMS)


def test_files_are_for_reading():
    """Half of them are short; a long one says why at its head."""
    lengths = {path: len(path.read_text().splitlines()) for path in FILES if path.name != "__init__.py"}
    assert median(lengths.values()) < 150
    assert not [
        short(path)
        for path, n in lengths.items()
        if n > 450 and "Long because" not in path.read_text()[:2000]
    ]


def test_functions_are_short():
    """Of a function its signature and its docstring do not count."""
    lengths = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append(body[-1].end_lineno - body[0].lineno + 1 if body else 0)
    assert sum(n < 40 for n in lengths) >= 0.95 * len(lengths)


CLI = [path for path in FILES if room(path) == "cli"]


@pytest.mark.parametrize("path", CLI, ids=short)
def test_the_command_line_is_thin(path):
    """Its functions count with signature, docstring and examples."""
    assert len(path.read_text().splitlines()) <= 150
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno + 1 <= 60, node.name


def test_import_loads_nothing_heavy():
    heavy = (
        "torch",
        "numpy",
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
    code = f"import sys, chainrule; print([m for m in {heavy} if m in sys.modules])"
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
                assert called != "torch.save", path
                if called == "torch.load":  # of tensors and plain values, and of nothing else
                    assert "weights_only=True" in ast.unparse(node), path
                if called == "np.load":
                    assert "allow_pickle=False" in ast.unparse(node), path
