"""Damaged files of every format are read or refused, in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.data import load_data
from chainrule.errors import DataError

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


def test_a_parser_that_quotes_the_file_is_cut_short(tmp_path):
    header = b"\x93NUMPY\x01\x00\xb8\x0b" + b"\xff \x00" * 1000
    (tmp_path / "a.npy").write_bytes(header)
    with pytest.raises(DataError, match=r"a\.npy: cannot be read: ") as caught:
        load_data(tmp_path / "a.npy")
    assert len(str(caught.value)) < 250 + len(str(tmp_path))
