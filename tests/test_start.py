"""The command line starts at once: help, and refusals of what is not there, import nothing large."""

import sys

import pytest

from children import PYTHON, ended

LARGE = {"torch", "numpy", "scipy", "pandas", "pyarrow", "sklearn", "numba", "lightning", "matplotlib"}
TIMED = (sys.executable, "-X", "importtime", "-m", "chainrule")
CASES = {
    "help": (["--help"], 0, "Usage: chainrule"),
    "help of a command": (["train", "--help"], 0, "Usage: chainrule train"),
    "typo": (["trian"], 2, "Did you mean 'train'?"),
    "option": (["train", "made", "--epoch", "3"], 2, "No such option: --epoch"),
    "no run": (["score", "nowhere", "digits"], 1, "error: nowhere: no such run;"),
    "no background": (
        ["score", "run", "digits", "--background", "nowhere"],
        1,
        "nowhere: no such run;",
    ),
    "no input": (["score", "run", "rows.csv"], 1, "error: rows.csv: no such file or folder"),
    "no data": (["train", "made", "--data", "./rows"], 1, "error: rows: no such file or folder"),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_large_is_imported(case, tmp_path):
    arguments, expected, words = CASES[case]
    (tmp_path / "run").mkdir()
    status, out, said = ended(*arguments, program=TIMED, cwd=tmp_path)
    imports = [line for line in said.splitlines() if line.startswith("import time:")]
    modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in imports}
    assert (status, words in out + said) == (expected, True)
    assert "chainrule" in modules and not modules & LARGE


def test_every_command_is_declared_without_anything_large():
    code = (
        "import sys; from chainrule.cli.commands import OwnCommands; every = dict(OwnCommands()); "
        f"print(len(every) > 20, sorted({LARGE} & set(sys.modules)))"
    )
    assert ended(code, program=PYTHON) == (0, "True []\n", "")
