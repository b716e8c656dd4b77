"""A rollout's steps on memory of their own: recorded kind by kind, captured in stretches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from threading import RLock
from typing import Any
from weakref import ReferenceType

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_leaves, tree_unflatten

from chainrule.engine.advance import Kinds, advance
from chainrule.engine.captured.capture import Capture, Replay
from chainrule.engine.captured.plan import cut
from chainrule.engine.captured.trace import Trace, Unsupported, record
from chainrule.engine.choice import Choice, tables
from chainrule.engine.finite import wide

PLANS = 32  # of stretches, kept


class Program:
    """Fixed memory for one shape of rollouts, and what is captured of them.

    Args:
        model: an `engine.rollout.Stepwise`.
        kinds: of its sites.
        choose: a rule of the form that the program is for; its tables are copied.
        values: (B, n, V), copied too.
        score: whether log-probabilities are wanted.
        leaves, tree: of a state.
        capture: makes a function of fixed memory into a replay.
        mode: a context that steps are recorded in.

    Attributes:
        leaves: of the state, in the program's memory.
        owner: whose state lies in them.
        lock: held while they are in use.
    """

    def __init__(
        self,
        model: Any,
        kinds: Kinds,
        choose: Choice,
        values: Tensor,
        score: bool,
        leaves: Sequence[Tensor],
        tree: TreeSpec,
        capture: Capture,
        mode: Callable[[], AbstractContextManager],
    ) -> None:
        self.model, self.kinds, self._tree, self._capture, self._mode = model, kinds, tree, capture, mode
        self.lock = RLock()
        self.owner: ReferenceType[Any] | None = None
        self._clock = torch.zeros((), dtype=torch.int64, device=values.device)
        self._shift = torch.zeros(2, dtype=torch.int64, device=values.device)
        self._values = values.clone()
        self._sums = torch.zeros(*values.shape[:2], 1, dtype=wide(model.dtype), device=values.device)
        self._terms = torch.zeros_like(values, dtype=torch.float64) if score else None
        self._columns = [table.clone() for table in tables(choose)]
        self.leaves = [leaf.clone() for leaf in leaves]
        given = iter(self._columns)
        self._rule = choose.map(lambda _: next(given))
        self._traces: dict[int, Trace] = {}
        self._replays: dict[tuple[int, ...], Replay] = {}
        self._cuts: dict[tuple[int, int], list[tuple[int, ...]]] = {}

    def run(
        self,
        choose: Choice,
        values: Tensor,
        first: int,
        last: int,
        *,
        terms: Tensor | None,
        place: int,
        site: int,
    ) -> Tensor:
        """Draw sites into `values` and `terms`; arguments as of `Session.draw`. The state lies in `leaves`.

        Returns:
            The sums of the parameters (B, last - first).

        Raises:
            Unsupported: if the steps cannot be captured; nothing is drawn then.
        """
        plan = self._plan(first, last)
        self._shift.copy_(torch.tensor([place, site]))
        self._capture_all(plan, first)
        self._values.copy_(values)
        for own, table in zip(self._columns, tables(choose), strict=True):
            own.copy_(table)
        self._clock.fill_(first)
        for stretch in plan:
            self._replays[stretch]()
        here = slice(first + place, last + place)
        values[:, here] = self._values[:, here]
        if terms is not None and self._terms is not None:
            terms[:, here] = self._terms[:, here]
        return self._sums[:, here, 0]

    def _plan(self, first: int, last: int) -> list[tuple[int, ...]]:
        if (first, last) not in self._cuts:
            if len(self._cuts) == PLANS:  # a stream's sites never come again
                self._cuts.clear()
            self._cuts[first, last] = cut(self.kinds.between(first, last).tolist(), first, self._replays)
        return self._cuts[first, last]

    def _capture_all(self, plan: Sequence[tuple[int, ...]], first: int) -> None:
        """Capture what has not been, at a place where it occurs; the state is then as before."""
        new: dict[tuple[int, ...], int] = {}
        for stretch in plan:
            if stretch not in self._replays:
                new.setdefault(stretch, first)
            first += len(stretch)
        if not new:
            return
        before = [leaf.clone() for leaf in self.leaves]
        try:
            for stretch, at in new.items():
                for i, kind in enumerate(stretch):
                    if kind not in self._traces:
                        self._traces[kind] = self._record(kind, at + i)
                self._clock.fill_(at)
                traces = [self._traces[kind] for kind in stretch]
                self._replays[stretch] = self._capture(partial(_replay, traces), self._clock.device)
        except RuntimeError as error:
            raise Unsupported(str(error).splitlines()[0]) from error
        finally:
            for leaf, was in zip(self.leaves, before, strict=True):
                leaf.copy_(was)

    def _record(self, kind: int, t: int) -> Trace:
        """One kind of step, seen to do again what it did."""
        memory = [self._clock, self._values, self._sums, *self._some_terms(), *self.leaves]
        self._clock.fill_(t)
        before = [tensor.clone() for tensor in memory]
        with self._mode():
            trace = record(partial(self._advance, kind), [*memory, self._shift, *self._columns])
        after = [tensor.clone() for tensor in memory]
        for tensor, was in zip(memory, before, strict=True):
            tensor.copy_(was)
        trace.replay()
        if not all(torch.allclose(a, b, equal_nan=True) for a, b in zip(memory, after, strict=True)):
            raise Unsupported("a step does something else when it is done again")
        return trace

    def _advance(self, kind: int) -> None:
        state = tree_unflatten(self.leaves, self._tree)
        after = advance(
            self.model, self.kinds.each[kind], self._rule, self._clock, self._shift,
            self._values, self._sums, self._terms, state,
        )  # fmt: skip
        put(self.leaves, tree_leaves(after))
        self._clock.add_(1)

    def _some_terms(self) -> list[Tensor]:
        return [] if self._terms is None else [self._terms]


def put(leaves: Sequence[Tensor], after: Sequence[Tensor]) -> None:
    """Write a new state into the old one's memory, even where it is made of pieces of it."""
    old = {leaf.untyped_storage()._cdata for leaf in leaves}
    apart = [
        new.clone() if new is not leaf and new.untyped_storage()._cdata in old else new
        for leaf, new in zip(leaves, after, strict=True)
    ]
    for leaf, new in zip(leaves, apart, strict=True):
        if new is not leaf:
            leaf.copy_(new)


def _replay(traces: Sequence[Trace]) -> None:
    for trace in traces:
        trace.replay()
