"""The rules that turn recorded operations into instructions, by the names of torch's operations."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.trace import Call
from chainrule.errors import ChainruleError

Rule = Callable[[Builder, Call], None]
RULES: dict[str, Rule] = {}


def lowers(*names: str) -> Callable[[Rule], Rule]:
    """Register a function for operations of these names.

    Raises:
        ChainruleError: if one of them has a rule already.
    """

    def register(rule: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ChainruleError(f"native operation {name}: expected a new one, got one that has a rule")
            RULES[name] = rule
        return rule

    return register
