"""A rollout under way on captured steps: its state lies in a program's memory while nobody else needs that."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

from torch import Tensor
from torch.utils._pytree import tree_flatten

from chainrule.engine.captured.program import Program
from chainrule.engine.choice import Choice
from chainrule.engine.finite import Guard
from chainrule.layers import State

if TYPE_CHECKING:
    from chainrule.engine.captured.runner import CapturedRunner


class Session:
    """Draws sites by replays, one stretch after another.

    Args:
        runner: that keeps the programs.
        state: to begin with.
    """

    def __init__(self, runner: CapturedRunner, state: State) -> None:
        self.runner = runner
        self.leaves, self.tree = tree_flatten(state)

    def draw(
        self,
        choose: Choice,
        values: Tensor,
        first: int,
        last: int,
        *,
        terms: Tensor | None = None,
        place: int = 0,
        site: int = 0,
    ) -> None:
        """Draw the sites first … last-1 of the model's clock.

        Args:
            choose: the rule.
            values: (B, n, V); site t belongs at t + place, and what is before it there has been drawn.
            first, last: of the clock; all sites after the model's last one are of its kind.
            terms: (B, n, V) float64, to take the log-probability of each value.
            place: of site 0 in `values`.
            site: which one of the rule's is site 0.

        Raises:
            Unsupported: if the steps cannot be captured; nothing is drawn then.
            ChainruleError: if parameters are not finite.
        """
        if first >= last:
            return
        guard = Guard(self.runner.model, values.device, last)
        program = self.runner.program(choose, values, terms is not None, self.leaves, self.tree)
        with program.lock:
            self._move_into(program)
            sums = program.run(choose, values, first, last, terms=terms, place=place, site=site)
            guard.check(sums, first)

    def _move_into(self, program: Program) -> None:
        """Have the state in the program's memory; another session's, which may lie there, gets memory of its own."""
        if self.leaves is program.leaves:
            return
        other = None if program.owner is None else program.owner()
        if other is not None and other.leaves is program.leaves:
            other.leaves = [leaf.clone() for leaf in program.leaves]
        for own, leaf in zip(program.leaves, self.leaves, strict=True):
            own.copy_(leaf)
        self.leaves, program.owner = program.leaves, ref(self)
