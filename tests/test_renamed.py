"""Names of earlier versions still work, and warn."""

import importlib

import pytest

from chainrule.renamed import RENAMED


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in RENAMED for name in RENAMED[module]]
)
def test_a_name_of_before_is_that_of_today(module, name):
    place, _, today = RENAMED[module][name].partition(":")
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} is now {place}.{today}"):
        found = getattr(importlib.import_module(module), name)
    assert found is getattr(importlib.import_module(place), today)


def test_other_names_are_not_found():
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        from chainrule.layers import Nothing  # noqa: F401
