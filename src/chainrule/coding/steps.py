"""What runs the steps of a block, and in which arithmetic."""

from __future__ import annotations

from typing import NamedTuple

from chainrule.engine import Incremental
from chainrule.engine.auto import find_portable, find_runner
from chainrule.heads import Head
from chainrule.models import AutoregressiveModel


class Steps(NamedTuple):
    """A runner and a head, and whether both compute in portable arithmetic."""

    runner: Incremental
    head: Head
    portable: bool


def find_steps(model: AutoregressiveModel, runner: str, portable: bool) -> Steps:
    """The steps of a model by a runner of a name, "eager" or "native".

    Raises:
        ChainruleError: if there is no such runner for this model.
    """
    if not portable:
        return Steps(find_runner(model, runner), model.head, False)
    found = find_portable(model, runner)
    return Steps(found, found.head(), True)
