"""Hyperparameters are checked by their types, however the file writes them."""

import importlib

import pytest

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.models.baselines import Uniform

BODY = """
from typing import Any, Dict, List, Literal, Optional, Tuple, Union
import chainrule as cr
from chainrule.models.baselines import Uniform

@cr.register_model("{name}")
class Choosy(Uniform):
    def __init__(
        self, domain: cr.Domain, unit: Literal["relu", "tanh"] = "relu", *, width: Optional[int] = None,
        sizes: List[int] = [1], pair: Tuple[int, float] = (1, 2.0), table: Dict[str, int] = {{}}, skip: int = 0,
        rate: Union[float, Literal["auto"]] = "auto", old: "dict | None" = None, anything: Any = None, bare=None,
    ):
        super().__init__(domain)
"""
GOOD = [
    {"unit": "tanh"}, {"width": 3}, {"width": None}, {"sizes": [2, 3]}, {"pair": [3, 1]}, {"table": {"a": 1}},
    {"skip": 0}, {"rate": 1}, {"rate": "auto"}, {"old": {}}, {"anything": [1]}, {"bare": "x"},
]  # fmt: skip
BAD = [
    ({"unit": "rleu"}, "unit: expected 'relu' or 'tanh', got 'rleu'"),
    ({"width": 0}, "width: expected an integer ≥ 1, got 0"),
    ({"width": True}, "width: expected int or None, got True"),
    ({"sizes": ["a"]}, r"sizes: expected List\[int\], got \['a'\]"),
    ({"pair": [1]}, r"pair: expected Tuple\[int, float\], got \[1\]"),
    ({"table": {"a": "b"}}, r"table: expected Dict\[str, int\], got {'a': 'b'}"),
    ({"skip": -1}, "skip: expected an integer ≥ 0, got -1"),
    ({"rate": float("inf")}, "rate: expected a finite number, got inf"),
    ({"rate": "fast"}, "rate: expected float or 'auto', got 'fast'"),
    ({"old": 1}, "old: expected dict or None, got 1"),
]


@pytest.fixture(params=["", "from __future__ import annotations\n"], ids=["plain", "future"])
def choosy(request, outside):
    (outside / "choosy.py").write_text(request.param + BODY.format(name="choosy"))
    importlib.import_module("choosy")
    return lambda **options: cr.create_model("choosy", cr.Domain.binary(2), **options)


def test_by_their_types(choosy):
    assert isinstance(choosy(), Uniform)
    for options in GOOD:
        assert choosy(**options).hyperparameters.items() >= options.items()
    assert choosy(sizes=(2, 3)).hyperparameters["sizes"] == [2, 3]  # as a file has it
    for options, message in BAD:
        with pytest.raises(ChainruleError, match=message):
            choosy(**options)
