"""Steps compiled to a program of one native loop: the runner for CPUs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from chainrule.engine.choice import Choice, tables
from chainrule.engine.native.lowering import lower
from chainrule.engine.native.machine import run
from chainrule.engine.native.program import ALIGNMENT, Program
from chainrule.engine.native.record import Unsupported, record
from chainrule.engine.native.weights import Weights
from chainrule.engine.site import draw_site
from chainrule.layers import State, map_state

log = logging.getLogger(__name__)
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}  # of a step's results beside the recorded ones
BETWEEN = 64  # sites between two looks at whether to stop
Site = Callable[..., list[Tensor]]


class NativeRunner:
    """Runs the steps of a model on a CPU as programs of `native.machine`, each thread a share of the rows.

    A step is run once by torch and recorded; what does not depend on the state is computed then. The numbers of a row
    do not depend on the batch, nor on the number of threads.

    Args:
        model: an `engine.rollout.Stepwise`, on the CPU. If its parameters change, a new runner is needed.
        threads: rows are shared among so many; torch's own number by default.
    """

    def __init__(self, model: Any, threads: int | None = None) -> None:
        self.model, self.threads = model, threads
        self._weights = Weights()
        self._programs: dict[Hashable, Program | Unsupported] = {}

    # --- the three incremental verbs --------------------------------------------------------------

    def init_state(
        self, batch: int, *, cond: Tensor | None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The model's own, in memory of its own."""
        return owned(self.model.init_state(batch, cond=cond, length=length, device=device, dtype=dtype))

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """The model's own."""
        params, state = self.model.prefill(sites, state)
        return params, owned(state)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable) -> tuple[Tensor, State]:
        """The parameters of site t (B, P).

        Raises:
            Unsupported: if the machine lacks an operation of this step.
        """
        leaves, tree = tree_flatten(state)
        width = self.model.head.size
        params = torch.zeros(len(prev), width, dtype=self.model.dtype)
        clock = torch.zeros((), dtype=torch.int64)

        def site(clock: Tensor, prev: Tensor, params: Tensor, *leaves: Tensor) -> list[Tensor]:
            found, after = self.model.step(prev, tree_unflatten(leaves, tree), clock, phase=phase)
            params.copy_(found)
            return tree_flatten(after)[0]

        inputs = [clock, prev.contiguous().clone(), params, *leaves]
        program = self._program(("step", phase), site, inputs, len(leaves), int(t))
        share = Share(inputs)
        share.run_site(program, int(t))
        for leaf, after in zip(leaves, share.inputs[3:], strict=True):
            if leaf is not after:
                leaf.copy_(after)
        return params, state

    # --- the whole loop ---------------------------------------------------------------------------

    def loop(
        self, choose: Choice, values: Tensor, state: State, *, first: int, terms: Tensor | None = None
    ) -> None:
        """Draw sites first … n-1 of `values` (B, n, V), and the log-probability of each value into `terms`.

        Args:
            choose: the rule.
            values: in generation order, known up to `first`.
            state: that of the model before site `first`.
            terms: (B, n, V) float64.

        Raises:
            Unsupported: if the machine cannot run this model or rule; nothing is drawn then.
        """
        batch, length, _ = values.shape
        columns = tables(choose)
        arrays = [values, *([] if terms is None else [terms]), *columns]
        leaves, tree = tree_flatten(state)
        form = repr(choose.map(lambda table: table.new_zeros(0)))  # what the rule is beside its tables
        keys, numbers = self._kinds(length)
        parts = np.array_split(np.arange(batch), min(batch, self.threads or torch.get_num_threads()))
        shares: list[tuple[Share, dict[int, Program]]] = []
        for rows in (slice(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)):
            own = [leaf[rows].clone() for leaf in leaves]
            clock = torch.zeros((), dtype=torch.int64)
            inputs = [clock, *(array[rows] for array in arrays), *own]
            programs = {}
            for number in sorted(set(numbers[first:])):
                phase, head, start = keys[number]
                site = self._site(choose, phase, head, len(columns), terms is not None, tree)
                name = ("site", phase, id(head), form, terms is not None)
                programs[number] = self._program(name, site, inputs, len(own), start)
            shares.append((Share(inputs), programs))
        stop = Event()
        tasks = [partial(share.run, programs, numbers, first, length, stop) for share, programs in shares]
        _in_threads(tasks, stop)

    def _kinds(self, length: int) -> tuple[list[tuple[Hashable, Any, int]], list[int]]:
        """What kinds of sites there are (phase, head, the first site), and which one each site is."""
        found: dict[Any, int] = {}
        keys: list[tuple[Hashable, Any, int]] = []
        numbers = []
        for t, phase in enumerate(self.model.schedule(self.model.sites)[:length]):
            head = self.model.head.at(t)
            key = phase, id(head)
            if key not in found:
                found[key] = len(keys)
                keys.append((phase, head, t))
            numbers.append(found[key])
        return keys, numbers

    def _site(
        self, choose: Choice, phase: Hashable, head: Any, columns: int, score: bool, tree: Any
    ) -> Callable[..., list[Tensor]]:
        model = self.model
        kind = model.dtype if model.head.levels is None else torch.int64

        def site(clock: Tensor, values: Tensor, *rest: Tensor) -> list[Tensor]:
            terms, rest = (rest[0], rest[1:]) if score else (None, rest)
            tables = iter(rest[:columns])
            rule = choose.map(lambda _: next(tables))
            here = clock.reshape(1)
            prev = values.index_select(1, (here - 1).clamp(min=0))[:, 0]
            state = tree_unflatten(list(rest[columns:]), tree)
            params, after = model.step(prev, state, clock, phase=phase)
            drawn, scores = [], []
            for value, conditional in draw_site(head, params, rule, clock, kind):
                drawn.append(value)
                if score:
                    scores.append(conditional.log_prob(value).double())
            values.index_copy_(1, here, torch.stack(drawn, dim=1)[:, None])
            if terms is not None:
                terms.index_copy_(1, here, torch.stack(scores, dim=1)[:, None])
            return tree_flatten(after)[0]

        return site

    # --- compilation ------------------------------------------------------------------------------

    def _program(self, name: Hashable, site: Site, inputs: Sequence[Tensor], leaves: int, t: int) -> Program:
        key = (name, tuple((tuple(x.shape), x.stride(), x.dtype) for x in inputs))
        if key not in self._programs:
            try:
                self._programs[key] = self._compile(site, inputs, leaves, t)
            except Unsupported as reason:
                log.info("%s: %s", self.model.name or type(self.model).__name__, reason)
                self._programs[key] = reason
        program = self._programs[key]
        if isinstance(program, Unsupported):
            raise program
        return program

    def _compile(self, site: Site, inputs: Sequence[Tensor], leaves: int, t: int) -> Program:
        """Record one step, lower it, and see that the program does what was recorded.

        Args:
            site: puts its results in its inputs, and gives the new leaves of the state.
            inputs: the clock first, `leaves` leaves of a state last.
            leaves: how many.
            t: a site of this kind.
        """
        generator = torch.Generator().manual_seed(0)
        tried = [_like(tensor) for tensor in inputs]
        tried[0].fill_(t)
        for leaf in tried[len(tried) - leaves :]:
            if leaf.is_floating_point():  # zeros would hide a wrong place
                leaf.copy_(torch.rand(leaf.shape, generator=generator, dtype=leaf.dtype))
        again = [_like(tensor) for tensor in tried]
        recording, results = record(site, tried)
        program = lower(recording, results, recording.inputs[len(inputs) - leaves :], self._weights)
        share = Share(again)
        share.run_site(program, t)
        expected = [*tried[: len(inputs) - leaves], *(recording.tensor(view) for view in results)]
        if not all(
            _agree(a, b, TOLERANCE[self.model.dtype]) for a, b in zip(share.inputs, expected, strict=True)
        ):
            raise Unsupported("a native step does not do what the recorded one did")
        return program


class Share:
    """The rows of one thread, and what of them programs read and write."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        # The machine reads whole numbers in place of booleans.
        self.inputs = [
            _like(tensor, torch.int64) if tensor.dtype == torch.bool else tensor for tensor in inputs
        ]

    def run_site(self, program: Program, t: int) -> None:
        """One site."""
        self.run({0: program}, [0] * (t + 1), t, t + 1, Event())

    def run(
        self, programs: Mapping[int, Program], numbers: Sequence[int], first: int, last: int, stop: Event
    ) -> None:
        """Sites first … last-1, each by the program of its number, unless told to stop."""
        scratch = np.zeros(max(p.size for p in programs.values()) // 8 + ALIGNMENT, dtype=np.int64)
        start = -(-scratch.ctypes.data // ALIGNMENT) * ALIGNMENT
        addresses = [tensor.data_ptr() for tensor in self.inputs]
        bound = {number: program.bind(addresses, start) for number, program in programs.items()}
        starts = dict(zip(bound, np.cumsum([0, *map(len, bound.values())]), strict=False))
        code = np.concatenate(list(bound.values()))
        where = np.array([starts.get(number, 0) for number in numbers], dtype=np.int64)
        for site in range(first, last, BETWEEN):
            if stop.is_set():
                return
            found = run(code, where, addresses[0], site, min(site + BETWEEN, last))
            if found >= 0:
                raise IndexError(f"site {found}: an index points outside of its tensor")


def owned(state: State) -> State:
    """A state whose leaves share no memory with anything, to be written in place."""
    return map_state(lambda leaf: leaf.clone(), state)


def _like(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A copy with the same strides."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype or tensor.dtype).copy_(tensor)


def _agree(ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    if not ours.is_floating_point():
        return torch.equal(ours.long(), theirs.long())
    return torch.allclose(ours, theirs.to(ours.dtype), rtol=tolerance, atol=tolerance, equal_nan=True)


def _in_threads(tasks: Sequence[Callable[[], None]], stop: Event) -> None:
    """All at once; an exception in one, or an interrupt, stops the others."""
    if len(tasks) == 1:
        tasks[0]()
        return
    with ThreadPoolExecutor(len(tasks)) as pool:
        try:
            for done in [pool.submit(task) for task in tasks]:
                done.result()
        finally:
            stop.set()
