"""What runs the steps of a block, and in which arithmetic."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.engine import Choice, Incremental
from chainrule.engine.auto import find_portable, find_runner
from chainrule.engine.eager import draw_stepwise
from chainrule.heads import Head
from chainrule.models import AutoregressiveModel


class Steps(NamedTuple):
    """A runner and a head, and whether both compute in portable arithmetic."""

    runner: Incremental
    head: Head
    portable: bool

    @torch.no_grad()
    def run(
        self, model: AutoregressiveModel, rule: Choice, rows: int, sites: int, cond: Tensor | None = None
    ) -> None:
        """Go through the first sites of this number of rows, one after another, by a rule that codes them."""
        shape = (rows, model.sites, model.head.variables)
        values = torch.zeros(shape, dtype=model.head.kind(model.dtype))
        state = self.runner.init_state(
            rows, cond=cond, length=model.sites, device=model.device, dtype=model.dtype
        )
        draw_stepwise(model, self.runner, rule, values, state, 0, sites, None, self.head)


def find_steps(model: AutoregressiveModel, runner: str, portable: bool) -> Steps:
    """The steps of a model by a runner of a name, "eager" or "native".

    Raises:
        ChainruleError: if there is no such runner for this model.
    """
    if not portable:
        return Steps(find_runner(model, runner), model.head, False)
    found = find_portable(model, runner)
    return Steps(found, found.head(), True)
