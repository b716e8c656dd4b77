"""The two graphs of a model as functions of tensors alone, which torch's exporter can follow."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from chainrule.heads import Head
from chainrule.layers import State


class Leaves:
    """The tensors of a state; those of no numbers (in nets of images there are some) stay inside the graph.

    Args:
        state: any of the model's.
    """

    def __init__(self, state: State) -> None:
        found, self._tree = tree_flatten(state)
        self._kinds = [(tuple(leaf.shape[1:]), leaf.dtype) for leaf in found]

    def flatten(self, state: State) -> list[Tensor]:
        """The tensors (B, …) that hold numbers."""
        return [leaf for leaf in tree_flatten(state)[0] if 0 not in leaf.shape[1:]]

    def unflatten(self, leaves: Sequence[Tensor], like: Tensor) -> State:
        """The inverse, for the batch of `like` (B, …)."""
        given = iter(leaves)
        whole = [
            like.new_zeros((like.shape[0], *shape), dtype=dtype) if 0 in shape else next(given)
            for shape, dtype in self._kinds
        ]
        return tree_unflatten(whole, self._tree)


class Step(nn.Module):
    """The step of one kind of sites: (B, V), t, state → logits (B, V, K) of the levels of site t, and the state.

    Args:
        model: an `AutoregressiveModel`.
        leaves: of its state.
        phase: which kind.
    """

    def __init__(self, model: Any, leaves: Leaves, phase: Hashable) -> None:
        super().__init__()
        self.model, self.leaves, self.phase = model, leaves, phase

    def forward(self, prev: Tensor, t: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        """See the class."""
        before = self.leaves.unflatten(state, prev)
        params, after = self.model.step(prev, before, t, phase=self.phase)
        return logits(self.model.head, params), *self.leaves.flatten(after)


class Parallel(nn.Module):
    """The parallel pass: items (B, *event_shape) → logits (B, D, K) of all variables, in generation order.

    Args:
        model: an `AutoregressiveModel`.
        cond: what all items are conditioned on, (1, …).
    """

    cond: Tensor | None

    def __init__(self, model: Any, cond: Tensor | None) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("cond", cond)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        model, batch = self.model, x.shape[0]
        sites = model.to_sites(x)
        cond = None if self.cond is None else self.cond.expand(batch, *self.cond.shape[1:])
        params = model.allow(model.network(model.readable(sites), cond), sites)
        return logits(model.head, params.flatten(0, 1)).reshape(batch, model.domain.size, -1)


def logits(head: Head, params: Tensor) -> Tensor:
    """Unnormalised log-probabilities (B, V, K) of the levels, given parameters (B, P) of independent variables."""
    state, rows = head.init_state(params), []
    for v in range(head.variables):
        conditional: Any
        conditional, state = head.step(None, state, v)
        rows.append(conditional.logits)
    return torch.stack(rows, dim=1)
