"""The table of docs/results/equality.md has a row for each test that proves one, with what its record says."""

import ast
import json
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def proved():
    """Of each test with a mark `proves`, its arguments, and whether its docstring names the row."""
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for mark in getattr(node, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.proves":
                    arguments = [argument.value for argument in mark.args]
                    yield f"{path.name}::{node.name}", arguments, ast.get_docstring(node)


def test_each_row_has_its_test_and_each_test_its_row():
    record = json.loads((ROOT / "benchmarks" / "equality.json").read_text())
    rows = {
        row["test"]: [row[name] for name in ("library", "theirs", "ours", "compares")]
        for row in record["rows"]
    }
    assert rows == {test: arguments for test, arguments, _ in proved()}
    assert all(0 <= row["difference"] <= 1e-5 for row in record["rows"])


def test_each_test_says_which_row_it_proves():
    for test, (*_, ours, _), doc in proved():
        assert f"Row `{ours.partition(',')[0].partition(' of ')[0]}`" in doc, test


def test_the_page_shows_the_record():
    record = json.loads((ROOT / "benchmarks" / "equality.json").read_text())
    lines = (ROOT / "docs" / "results" / "equality.md").read_text().splitlines()
    shown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    fields = ("library", "theirs", "ours", "compares")
    assert [row[:-1] for row in shown[1:]] == [[row[name] for name in fields] for row in record["rows"]]
    assert [float(row[-1]) for row in shown[1:]] == [
        float(f"{row['difference']:.0e}") for row in record["rows"]
    ]
