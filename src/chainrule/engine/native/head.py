"""Tables of conditionals by programs, in portable arithmetic: a coder asks for one at every site."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from chainrule.engine.native.cache import Programs
from chainrule.engine.native.shard import Share
from chainrule.engine.native.trace import Unsupported
from chainrule.engine.portable import Portable, PortableHead
from chainrule.heads import Conditional, Head
from chainrule.layers.state import State

WIDEST = 4096  # levels of a table


class Form(NamedTuple):
    """What a step of a head gives: the tree of its state, and tensors like the table and the leaves of that state."""

    tree: TreeSpec
    results: list[Tensor]


class Table(Conditional):
    """A conditional of which a coder asks nothing but its table (B, K) float64."""

    def __init__(self, table: Tensor) -> None:
        self._table = table

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) → (B,) nats."""
        return self._table.gather(-1, value[:, None].long())[:, 0].log()

    def draw(self, u: Tensor) -> Tensor:
        """Not for drawing."""
        raise self._refusal("draw", "a conditional of a model's own head")

    @property
    def levels(self) -> int:
        """K."""
        return self._table.shape[-1]

    def table(self) -> Tensor:
        """(B, K) float64."""
        return self._table


class NativeHead(PortableHead):
    """A head in portable arithmetic whose steps, as far as they end in tables, are programs.

    Args:
        head: the model's.
        arithmetic: of the model.
        programs: keeps them.
        forms: of steps that were seen; None of those that are no programs.
    """

    def __init__(
        self, head: Head, arithmetic: Portable, programs: Programs, forms: dict[Any, Form | None]
    ) -> None:
        super().__init__(head, arithmetic)
        self._programs, self._forms = programs, forms

    def at(self, site: int) -> Head:
        """The head of the site, likewise."""
        return NativeHead(self.head.at(site), self._arithmetic, self._programs, self._forms)

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The head's own, in another form."""
        leaves, tree = tree_flatten(state)
        key = (self.head, v, tuple((leaf.shape, leaf.stride(), leaf.dtype) for leaf in leaves))
        if key not in self._forms:
            self._forms[key] = self._form(prev, state, v)
        form = self._forms[key]
        if form is None:
            return super().step(prev, state, v)

        def site(clock: Tensor, before: Tensor, *rest: Tensor) -> list[Tensor]:
            results, given = rest[: len(form.results)], list(rest[len(form.results) :])
            own = None if prev is None else before
            conditional, after = self.head.step(own, tree_unflatten(given, tree), v)
            for result, value in zip(results, [conditional.table(), *tree_flatten(after)[0]], strict=True):
                result.copy_(value)
            return []

        results = [torch.empty_like(result) for result in form.results]
        before = leaves[0].new_zeros(0) if prev is None else prev
        inputs = [torch.zeros((), dtype=torch.int64), before, *results, *leaves]
        try:
            program = self._programs.get(("table", *key), site, inputs, 0, 0)
        except Unsupported:
            self._forms[key] = None
            return super().step(prev, state, v)
        Share(inputs).run_site(program, 0)
        return Table(results[0]), tree_unflatten(results[1:], form.tree)

    def _form(self, prev: Tensor | None, state: State, v: int) -> Form | None:
        with self._arithmetic():
            conditional, after = self.head.step(prev, state, v)
            levels = conditional.levels
            if levels is None or levels > WIDEST or conditional.missing() is not None:
                return None
            leaves, tree = tree_flatten(after)
            results = [conditional.table(), *leaves]
        if any(result.dtype == torch.bool for result in results):
            return None
        return Form(tree, [result.contiguous() for result in results])
