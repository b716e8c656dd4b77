"""A rollout under way: the state of each thread's rows, and the programs that carry it on."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from chainrule.engine.advance import advance
from chainrule.engine.choice import Choice, tables
from chainrule.engine.finite import Guard
from chainrule.engine.native.cache import Programs, Site
from chainrule.engine.native.shard import Share
from chainrule.layers import State


class Session:
    """Draws sites by the native loop, one stretch after another.

    Args:
        model: an `engine.rollout.Stepwise`.
        programs: of its steps.
        state: to begin with; copied.
        batch: rows of it.
        threads: among which these are shared.
    """

    def __init__(self, model: Any, programs: Programs, state: State, batch: int, threads: int) -> None:
        self.model, self.programs = model, programs
        leaves, self._tree = tree_flatten(state)
        parts = [part for part in np.array_split(np.arange(batch), min(batch, threads) or 1) if len(part)]
        rows = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
        self._parts = [(own, [leaf[own].clone() for leaf in leaves]) for own in rows]

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
            Unsupported: if the machine cannot run this model or rule; nothing is drawn then.
            ChainruleError: if parameters are not finite.
        """
        guard = Guard(self.model, values.device, last)
        sums = torch.zeros(*values.shape[:2], 1, dtype=self.model.dtype)
        columns = tables(choose)
        arrays = [values, sums, *([] if terms is None else [terms]), *columns]
        form = repr(choose.map(lambda table: table.new_zeros(0)))  # what the rule is beside its tables
        kinds = self.programs.kinds_of(self.model)
        numbers = kinds.between(first, last)
        own, where = np.unique(numbers, return_index=True)
        shares = []
        for rows, leaves in self._parts:
            inputs = [
                torch.zeros((), dtype=torch.int64),
                torch.tensor([place, site]),
                *(array[rows] for array in arrays),
                *leaves,
            ]
            programs = {}
            for number, at in zip(own.tolist(), where.tolist(), strict=True):
                phase, head = kinds.each[number]
                step = self._step(choose, (phase, head), len(columns), terms is not None)
                key = ("site", phase, id(head), form, terms is not None)
                programs[number] = self.programs.get(key, step, inputs, len(leaves), first + at)
            shares.append((Share(inputs), programs))
        stop = Event()
        try:
            _in_threads(
                [partial(share.run, programs, numbers, first, last, stop) for share, programs in shares], stop
            )
        finally:  # an index that points nowhere comes of such parameters
            guard.check(sums[:, first + place : last + place, 0], first)
        for (_, leaves), (share, _) in zip(self._parts, shares, strict=True):
            for leaf, after in zip(leaves, share.inputs[len(share.inputs) - len(leaves) :], strict=True):
                if leaf is not after:  # a boolean one, which the machine kept as whole numbers
                    leaf.copy_(after)

    def _step(self, choose: Choice, kind: tuple[Hashable, Any], columns: int, score: bool) -> Site:
        model, tree = self.model, self._tree

        def step(clock: Tensor, shift: Tensor, values: Tensor, sums: Tensor, *rest: Tensor) -> list[Tensor]:
            terms, rest = (rest[0], rest[1:]) if score else (None, rest)
            given = iter(rest[:columns])
            rule = choose.map(lambda _: next(given))
            state = tree_unflatten(list(rest[columns:]), tree)
            return tree_flatten(advance(model, kind, rule, clock, shift, values, sums, terms, state))[0]

        return step


def _in_threads(tasks: Sequence[Callable[[], None]], stop: Event) -> None:
    """All at once, the first in this thread; an exception in one, or an interrupt, stops the others."""
    running = [_helpers(len(tasks) - 1).submit(task) for task in tasks[1:]]
    try:
        for task in tasks[:1]:
            task()
        for done in running:
            done.result()
    finally:
        stop.set()
        wait(running)


_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _helpers(count: int) -> ThreadPoolExecutor:
    """Threads of this process, not of its parent: kept, since starting them takes as long as a short rollout."""
    key = os.getpid(), count
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(count, "chainrule")
    return _pools[key]
