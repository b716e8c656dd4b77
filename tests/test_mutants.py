"""The table of mutants is about the source as it is, and its record says that the tests notice all of them."""

import importlib.util
import json
from pathlib import Path

import pytest

PATH = Path(__file__).parent.parent / "fuzz" / "mutants.py"
spec = importlib.util.spec_from_file_location("mutants", PATH)
fuzz = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)
TABLE = fuzz.mutants()


def test_each_has_a_name_of_its_own():
    names = [mutant["breaks"] for mutant in TABLE]
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize("mutant", TABLE, ids=lambda mutant: mutant["breaks"])
def test_its_text_is_in_the_source_once(mutant):
    """If you changed that line, change `old` in fuzz/mutants.toml too, and run `fuzz/mutants.py --only` on it."""
    assert fuzz.problem(mutant) is None


def test_all_in_the_record_are_killed():
    record = json.loads(fuzz.RECORD.read_text(encoding="utf-8"))
    became = {row["breaks"]: row["became"] for row in record["mutants"]}
    assert set(became) == {mutant["breaks"] for mutant in TABLE}
    assert set(became.values()) == {"killed"}
