"""A step compiled by torch.compile with its memory in place: the way of gpt-fast, draw included."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.engine.advance import Kinds, advance
from chainrule.engine.choice import Choice
from chainrule.engine.interfaces import ModelSteps
from chainrule.errors import ChainruleError
from chainrule.layers import State

KINDS = 3  # of steps, at most: each is compiled apart


class CompiledRunner(ModelSteps):
    """Steps, draws and writes of values, compiled together for one kind of site; on CUDA they run as graphs.

    Args:
        model: an `engine.rollout.Stepwise`.
        sites: that will be drawn.

    Raises:
        ChainruleError: if its sites are of many kinds, each of which would be compiled.

    References:
        gpt-fast (2023), https://github.com/pytorch-labs/gpt-fast
    """

    def __init__(self, model: Any, sites: int) -> None:
        self.model, self.kinds = model, Kinds(model)
        count = len(set(self.kinds.between(0, sites).tolist()))
        if count > KINDS:
            raise ChainruleError(f"compiled steps: expected sites of at most {KINDS} kinds, got {count}")
        mode = "reduce-overhead" if model.device.type == "cuda" else "default"
        self._advance = torch.compile(advance, mode=mode, dynamic=False)

    def loop(
        self, choose: Choice, values: Tensor, state: State, *, first: int, terms: Tensor | None = None
    ) -> None:
        """Draw sites first … n-1 of `values` (B, n, V)."""
        last, device = values.shape[1], values.device
        sums = torch.zeros(*values.shape[:2], 1, dtype=self.model.dtype, device=device)
        clock, shift = torch.arange(last, device=device), torch.zeros(2, dtype=torch.int64, device=device)
        for tensor in (values, sums, shift, *tree_leaves(state)):
            torch._dynamo.mark_static_address(tensor)
        for t, kind in zip(range(first, last), self.kinds.between(first, last), strict=True):
            torch.compiler.cudagraph_mark_step_begin()
            state = self._advance(
                self.model, self.kinds.each[kind], choose, clock[t], shift, values, sums, terms, state
            )
