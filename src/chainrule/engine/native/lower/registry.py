"""The rules that turn recorded operations into instructions, by the names of torch's operations."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.trace import Call

Rule = Callable[[Builder, Call], None]
RULES: dict[str, Rule] = {}


def lowers(*names: str) -> Callable[[Rule], Rule]:
    """Register a function for operations of these names."""

    def register(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return register
