"""A rollout under way on captured steps: its state lies in a program's memory while nobody else needs that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

from torch import Tensor
from torch.utils._pytree import tree_flatten

from chainrule.engine.captured.program import Program
from chainrule.engine.choice import Choice
from chainrule.engine.finite import Guard
from chainrule.layers import State


class Session:
    """Draws sites by replays, one stretch after another.

    Args:
        model: an `engine.rollout.Stepwise`.
        find: gives the program for a rule, values, whether they are scored, and the leaves and tree of a state.
        state: to begin with.
    """

    def __init__(self, model: Any, find: Callable[..., Program], state: State) -> None:
        self.model, self._find = model, find
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
        guard = Guard(self.model, values.device, last)
        program = self._find(choose, values, terms is not None, self.leaves, self.tree)
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
