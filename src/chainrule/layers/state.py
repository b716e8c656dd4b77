"""The state between steps: a nested tuple of tensors that mirrors the tree of calls.

Every leaf has the batch on dimension 0 and keeps its shape, type and strides from step to step, so that
forking, reordering and dropping rows are one `map_state` each, for every model. A state handed to `step` is
dead: the callee may have written in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

# A tensor, or a (named) tuple of states. Checkers cannot follow the recursion through a net, so they see Any.
State: TypeAlias = Any


def map_state(fn: Callable[[Tensor], Tensor], state: State) -> State:
    """Apply `fn` to every leaf, keeping the tree (and the names of its NamedTuples)."""
    if isinstance(state, Tensor):
        return fn(state)
    leaves = [map_state(fn, part) for part in state]
    return type(state)(*leaves) if hasattr(state, "_fields") else tuple(leaves)


def select_rows(state: State, index: Tensor) -> State:
    """The state of the rows `index` (n,), copied: reorders, drops and repeats rows."""
    return map_state(lambda leaf: leaf.index_select(0, index), state)


def repeat_rows(state: State, times: int) -> State:
    """Each row `times` times in a row, copied: forks every row."""
    return map_state(lambda leaf: leaf.repeat_interleave(times, dim=0), state)


def write_at(buffer: Tensor, index: Tensor, value: Tensor) -> Tensor:
    """Put `value` (B, C) into `buffer` (B, T, C) at time `index` (a 0-d integer tensor).

    In place when no gradient is recorded; out of place when one may be, so that `step` stays differentiable.
    """
    return put_at(buffer, index.reshape(1), value[:, None])


def put_at(buffer: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """Put `values` (B, n, …) into `buffer` (B, T, …) at the times `index` (n,); in place as above."""
    if torch.is_grad_enabled():
        return buffer.index_copy(1, index, values)
    return buffer.index_copy_(1, index, values)
