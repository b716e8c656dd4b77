"""What is tested on a pretended accelerator, which has to be there before a process computes its first gradient."""

import sys
from pathlib import Path

import pytest

from children import ended

HERE = Path(__file__).parent
FILES = sorted(path.name for path in (HERE / "pretended").glob("test_*.py"))


@pytest.mark.parametrize("name", FILES)
def test_in_a_process_of_its_own(name, monkeypatch):
    """`CHAINRULE_PRETENDED=1 pytest tests/pretended/NAME` runs one of them."""
    monkeypatch.setenv("CHAINRULE_PRETENDED", "1")
    tests = ("-p", "no:cacheprovider", "-n", "0", HERE / "pretended" / name)
    status, out, said = ended(*tests, program=(sys.executable, "-m", "pytest"))
    assert status == 0, out[-5000:] + said
    assert "passed" in out


def test_there_are_some():
    assert len(FILES) >= 2
