"""Damaged files of every format are read or refused, in one line."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_damaged_files_are_refused_in_a_line(tmp_path):
    program = [
        sys.executable,
        "fuzz/readers.py",
        "--cases",
        "150",
        "--seed",
        "7",
        "--out",
        str(tmp_path / "r.json"),
    ]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, told in json.loads((tmp_path / "r.json").read_text())["readers"].items():
        assert told["read"] and told["refused"] and not told["faults"], name
