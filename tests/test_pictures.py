"""Pictures as a viewer shows them: every format, depth and orientation; sizes bounded before they are decoded."""

import pytest

from chainrule.data.limits import VARIABLE, check_size, most_bytes
from chainrule.errors import DataError


def test_sizes_are_bounded(monkeypatch):
    check_size("a.png", most_bytes())
    with pytest.raises(DataError, match=r"a\.png: would take .* of memory, at most .* CHAINRULE_MAX_BYTES"):
        check_size("a.png", most_bytes() + 1)
    monkeypatch.setenv(VARIABLE, "1000")
    check_size("a.png", 1000)
    with pytest.raises(DataError, match=r"would take 1\.0 kB of memory, at most 1\.0 kB"):
        check_size("a.png", 1001)
    for wrong in ("much", "-1", "1e9", "²", "9" * 5000):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(DataError, match="expected a number of bytes"):
            check_size("a.png", 1)
