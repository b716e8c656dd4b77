"""Damaged files of every format are read or refused, in one line."""

import json
from pathlib import Path

import pytest

from chainrule.data import load_data
from chainrule.errors import DataError
from children import SCRIPT, ended

ROOT = Path(__file__).parent.parent


def test_damaged_files_are_refused_in_a_line(tmp_path):
    out = tmp_path / "r.json"
    # Each file of MATLAB has a process of its own, which takes long.
    names = (
        "pictures",
        "arrays",
        "sounds",
        "texts",
        "music",
        "tables",
        "strange tables",
        "hdf5",
        "idx",
        "packed",
    )
    options = ("--cases", "60", "--seed", "8", "--out", out, *names)
    assert ended(ROOT / "fuzz" / "readers.py", *options, program=SCRIPT, cwd=ROOT)[0] == 0
    readers = json.loads(out.read_text())["readers"]
    for name, told in readers.items():
        assert told["read"] and not told["faults"], name
    # Only what takes files that are refused even whole, and is content with that, has none to refuse.
    assert [name for name, told in readers.items() if not told["refused"]] in ([], ["strange tables"])


def test_a_parser_that_quotes_the_file_is_cut_short(tmp_path):
    header = b"\x93NUMPY\x01\x00\xb8\x0b" + b"\xff \x00" * 1000
    (tmp_path / "a.npy").write_bytes(header)
    with pytest.raises(DataError, match=r"a\.npy: cannot be read: ") as caught:
        load_data(tmp_path / "a.npy")
    assert len(str(caught.value)) < 250 + len(str(tmp_path))
