"""The runner for CPUs: steps as programs of one native loop."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from chainrule.engine.choice import Choice
from chainrule.engine.native.cache import Programs
from chainrule.engine.native.head import Form, NativeHead
from chainrule.engine.native.session import Session
from chainrule.engine.native.shard import Share
from chainrule.engine.portable import Portable
from chainrule.heads import Head
from chainrule.layers import State, map_state


class NativeRunner:
    """Runs the steps of a model on a CPU as programs of `native.interpreter`, each thread a share of the rows.

    A step is run once by torch and recorded; what does not depend on the state is computed then. The numbers of a row
    do not depend on the batch, nor on the number of threads.

    Args:
        model: an `engine.rollout.Stepwise`, on the CPU. If its parameters change, a new runner is needed.
        threads: number of threads that share the rows; torch's own number by default.
        rounding: of the weights of products: "bf16", half the bytes to read, or "int8", a quarter, with a scale for
            each output; sums stay float32. The model is then another one, whose likelihoods a rollout with `score`
            gives.
        arithmetic: in which steps are recorded, and which their programs have to the last bit; torch's own by default.
    """

    def __init__(
        self,
        model: Any,
        threads: int | None = None,
        *,
        rounding: str | None = None,
        arithmetic: Portable | None = None,
    ) -> None:
        self.model, self.threads, self.arithmetic = model, threads, arithmetic
        name = getattr(model, "name", None) or type(model).__name__
        self.programs = Programs(name, model.dtype, rounding, arithmetic)
        self._forms: dict[Any, Form | None] = {}

    def init_state(
        self, batch: int, *, cond: Tensor | None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The model's own, in memory of its own."""
        with self.arithmetic() if self.arithmetic else nullcontext():
            state = self.model.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)
        return _owned(state)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """The model's own."""
        with self.arithmetic() if self.arithmetic else nullcontext():
            params, state = self.model.prefill(sites, state)
        return params, _owned(state)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable) -> tuple[Tensor, State]:
        """The parameters of site t (B, P).

        Raises:
            Unsupported: if the machine lacks an operation of this step.
        """
        leaves, tree = tree_flatten(state)
        params = torch.zeros(len(prev), self.model.head.size, dtype=self.model.dtype)

        def site(clock: Tensor, prev: Tensor, params: Tensor, *leaves: Tensor) -> list[Tensor]:
            found, after = self.model.step(prev, tree_unflatten(leaves, tree), clock, phase=phase)
            params.copy_(found)
            return tree_flatten(after)[0]

        inputs = [torch.zeros((), dtype=torch.int64), prev.contiguous().clone(), params, *leaves]
        share = Share(inputs)
        share.run_site(self.programs.get(("step", phase), site, inputs, len(leaves), int(t)), int(t))
        for leaf, after in zip(leaves, share.inputs[3:], strict=True):
            if leaf is not after:
                leaf.copy_(after)
        return params, state

    def head(self) -> Head:
        """The model's head, its tables by programs in the runner's arithmetic."""
        assert self.arithmetic is not None
        return NativeHead(self.model.head, self.arithmetic, self.programs, self._forms)

    def loop(
        self, choose: Choice, values: Tensor, state: State, *, first: int, terms: Tensor | None = None
    ) -> None:
        """Draw sites first … n-1 of `values` (B, n, V), and the log-probability of each value into `terms`.

        Raises:
            Unsupported: if the machine cannot run this model or rule; nothing is drawn then.
        """
        self.session(state, len(values)).draw(choose, values, first, values.shape[1], terms=terms)

    def session(self, state: State, batch: int) -> Session:
        """A rollout that continues from a state, over several calls."""
        return Session(self.model, self.programs, state, batch, self.threads or torch.get_num_threads())


def _owned(state: State) -> State:
    """A state whose leaves share no memory with anything, to be written in place."""
    return map_state(lambda leaf: leaf.clone(), state)
