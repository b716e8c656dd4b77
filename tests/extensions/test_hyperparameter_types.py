"""Hyperparameters that no model can be built of."""

import importlib

import pytest

import chainrule as cr
from chainrule.errors import ChainruleError

BODY = """
from __future__ import annotations
import chainrule as cr
from chainrule.models.baselines import Uniform

@cr.register_model("needy")
class Needy(Uniform):
    def __init__(self, domain: cr.Domain, *, {parameter}):
        super().__init__(domain)
"""


@pytest.mark.parametrize(
    "parameter, message",
    [
        ("path: object = None", "Needy: path: expected a type of int, float, .*, got object"),
        ("width: int", "needy: width: expected a hyperparameter with a default, it has none"),
        (
            "unit: Missing = 1",
            "Needy: .* cannot be read .name 'Missing' is not defined.; import what they name",
        ),
    ],
)
def test_what_no_model_can_be_built_of(outside, parameter, message):
    (outside / "needy.py").write_text(BODY.format(parameter=parameter))
    importlib.import_module("needy")
    with pytest.raises(ChainruleError, match=message):
        cr.create_model("needy", cr.Domain.binary(2))
