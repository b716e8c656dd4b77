"""What runs the steps of a block, and in which arithmetic."""

from __future__ import annotations

from typing import NamedTuple

from chainrule.engine import Incremental
from chainrule.engine.auto import find_portable, find_runner
from chainrule.engine.portable import Portable, PortableHead
from chainrule.heads import Head
from chainrule.models import AutoregressiveModel


class Steps(NamedTuple):
    """A runner, and the arithmetic in which it and the head compute: portable, or None for the machine's own."""

    runner: Incremental
    arithmetic: Portable | None

    def head(self, model: AutoregressiveModel) -> Head:
        """The model's head in this arithmetic."""
        return model.head if self.arithmetic is None else PortableHead(model.head, self.arithmetic)


def find_steps(model: AutoregressiveModel, runner: str, portable: bool) -> Steps:
    """The steps of a model by a runner of a name, "eager" or "native".

    Raises:
        ChainruleError: if there is no such runner for this model.
    """
    if not portable:
        return Steps(find_runner(model, runner), None)
    found = find_portable(model, runner)
    return Steps(found, found.arithmetic)
