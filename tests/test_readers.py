"""Damaged files of every format are read or refused, in one line."""

import json
from pathlib import Path

from children import SCRIPT, ended

ROOT = Path(__file__).parent.parent


def test_damaged_files_are_refused_in_a_line(tmp_path):
    out = tmp_path / "r.json"
    options = ("--cases", "150", "--seed", "7", "--out", out)
    assert ended(ROOT / "fuzz" / "readers.py", *options, program=SCRIPT, cwd=ROOT)[0] == 0
    for name, told in json.loads(out.read_text())["readers"].items():
        assert told["read"] and told["refused"] and not told["faults"], name
