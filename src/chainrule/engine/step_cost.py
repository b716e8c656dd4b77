"""What a step must do at least: operations, and memory that it reads and writes, on tensors that hold no data."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from chainrule.engine.flops import count_flops

SELECTS = {"index_select", "index", "gather", "embedding"}  # what they give is a piece of their first operand
PLACES = {"copy_", "index_copy_", "index_put_", "scatter_"}  # they write as much as they are given


class StepCost(NamedTuple):
    """The cost of one site of one row.

    Attributes:
        flops: of its products, a multiplication and an addition as two.
        weights: bytes of parameters that it reads, each once: a batch shares them.
        state: bytes of the state that it reads and writes: each row has its own.
    """

    flops: int
    weights: int
    state: int


class KindOfStep(NamedTuple):
    """Sites of one phase.

    Attributes:
        sites: how many there are.
        cost: of each.
    """

    sites: int
    cost: StepCost


def count_steps(model: Any, length: int) -> list[KindOfStep]:
    """What the first `length` sites of a rollout take, phase by phase.

    Args:
        model: an `engine.rollout.Stepwise` that is an `nn.Module`; not changed. Its head's own products count nothing.
        length: sites.

    Raises:
        ChainruleError: if a step uses an operation that `count_flops` has no formula for.
    """
    ghost = copy.deepcopy(model).to("meta").eval()
    phases = list(ghost.schedule(ghost.sites)[:length])
    return [
        KindOfStep(sites, _cost(ghost, phase, phases.index(phase)))
        for phase, sites in Counter(phases).items()
    ]


def _cost(ghost: Any, phase: Hashable, t: int) -> StepCost:
    state = ghost.init_state(1, cond=None, length=ghost.sites, device=torch.device("meta"), dtype=ghost.dtype)
    kind = ghost.head.kind(ghost.dtype)
    prev = torch.zeros(1, ghost.head.variables, device="meta", dtype=kind)
    clock = torch.full((), t, device="meta")
    weights = [x for x in (*ghost.parameters(), *ghost.buffers()) if x.is_floating_point()]
    traffic = _Traffic(weights, tree_leaves(state))

    def step() -> None:
        with traffic:
            _, after = ghost.step(prev, state, clock, phase=phase)
        traffic.replace(tree_leaves(after))

    flops = count_flops(step)
    return StepCost(flops, traffic.bytes("weights"), traffic.bytes("state"))


class _Traffic(TorchDispatchMode):
    """Notes which views of parameters and of a state the operations of one step use, each view once.

    A piece that is selected counts as such, not as the whole it is taken from; what is made of weights alone is
    weights too.
    """

    def __init__(self, weights: Iterable[Tensor], state: Iterable[Tensor]) -> None:
        super().__init__()
        self._kinds = {_storage(x): "weights" for x in weights} | {_storage(x): "state" for x in state}
        self._kept: list[Any] = []  # so that no storage is freed and its number given to another
        self._views: dict[tuple[int, Hashable], int] = {}
        self._written = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._kept.append(out)
        name = func._overloadpacket.__name__
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        if func.is_view or not given:
            return out
        if name in SELECTS and self._kind(given[0]):
            self._kinds[_storage(out)] = str(self._kind(given[0]))
            return out
        if all(self._kind(x) == "weights" for x in given) and isinstance(out, Tensor):
            self._kinds[_storage(out)] = "weights"
            return out
        if func._schema.is_mutable and self._kind(given[0]):
            self._written += min(map(_size, (given[0], given[-1]))) if name in PLACES else _size(given[0])
            given = given[1:] if name in PLACES else given
        for x in given:
            if self._kind(x):
                view = x.storage_offset(), tuple(x.shape), tuple(x.stride())
                self._views[_storage(x), view] = _size(x)
        return out

    def replace(self, leaves: Iterable[Tensor]) -> None:
        """The state after the step: leaves that are new were written as a whole."""
        self._written += sum(_size(leaf) for leaf in leaves if self._kind(leaf) != "state")

    def bytes(self, kind: str) -> int:
        """Read and written, of "weights" or "state"."""
        read = sum(size for (storage, _), size in self._views.items() if self._kinds[storage] == kind)
        return read + (self._written if kind == "state" else 0)

    def _kind(self, x: Tensor) -> str | None:
        return self._kinds.get(_storage(x))


def _storage(x: Tensor) -> int:
    return x.untyped_storage()._cdata


def _size(x: Tensor) -> int:
    """Bytes of a view, what is repeated counted once."""
    once = [n for n, step in zip(x.shape, x.stride(), strict=True) if step != 0 or n == 0]
    return x.element_size() * math.prod(once)
