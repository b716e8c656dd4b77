"""What a function does to fixed tensors, as a list of operations that can be done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from chainrule.engine import interfaces
from chainrule.engine.nested import leaves, replaced


class Unsupported(interfaces.Unsupported):
    """Why steps cannot be captured."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"captured runner: {reason}")


@dataclass(frozen=True)
class Slot:
    """The place of a tensor that a replay makes."""

    number: int


@dataclass(frozen=True)
class Call:
    """One operation, with slots in place of tensors that a replay makes.

    Attributes:
        operation: torch's.
        args, kwargs: of it.
        gives: slots of its results, in order.
        ends: slots that nothing reads after it.
    """

    operation: Any
    args: Any
    kwargs: Any
    gives: tuple[int, ...]
    ends: tuple[int, ...]


class Trace:
    """Operations on fixed tensors, which are named by where they lie and never by what was in them.

    What depends on none of them, such as a weight times its mask, was computed by the recording, and is not done again.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = tuple(calls)

    def replay(self) -> None:
        """Do it all again, to what is in the tensors now."""
        made: dict[int, Tensor] = {}
        for call in self.calls:
            args, kwargs = (
                replaced(part, Slot, lambda slot: made[slot.number]) for part in (call.args, call.kwargs)
            )
            results = leaves(call.operation(*args, **kwargs), Tensor)
            made.update(zip(call.gives, results, strict=True))
            for number in call.ends:
                del made[number]


def record(function: Callable[[], None], buffers: Sequence[Tensor]) -> Trace:
    """Run a function once, and record what it does to these tensors.

    Raises:
        Unsupported: if the host looks at numbers that will differ the next time.
    """
    recorder = _Recorder()
    with torch.no_grad(), recorder:
        function()
    return _lasting(recorder.done, buffers)


@dataclass(frozen=True)
class _Done:
    """An operation as it was done.

    Attributes:
        operation, args, kwargs, results: the tensors themselves.
        reads: storages of the tensors given.
        writes: storages of those among them that it wrote in.
        gives: storages of its results.
    """

    operation: Any
    args: Any
    kwargs: Any
    results: list[Tensor]
    reads: frozenset[int]
    writes: frozenset[int]
    gives: frozenset[int]

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation._overloadpacket.__name__


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[_Done] = []  # with all tensors, so that no memory is given out twice meanwhile

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads its compiler, for a second, and wraps each operation

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = leaves((args, kwargs), Tensor)
        out = func(*args, **kwargs)
        results = leaves(out, Tensor)
        written = [kwargs[name] if name in kwargs else args[at] for at, name in _written(func)
                   if name in kwargs or at < len(args)]  # fmt: skip
        storages = (_storages(part) for part in (given, leaves(written, Tensor), results))
        self.done.append(_Done(func, args, kwargs, results, *storages))
        return out


def _lasting(done: Sequence[_Done], buffers: Sequence[Tensor]) -> Trace:
    """What has to be done each time, in what was done: whatever touches memory that changes."""
    changing = set(_storages(buffers)).union(*(step.writes for step in done))
    kept = []
    for step in done:
        if changing & (step.reads | step.gives):
            changing |= step.gives
            kept.append(step)
        elif torch.Tag.nondeterministic_seeded in step.operation.tags:
            raise Unsupported(f"its step draws random numbers of its own ({step.name})")
    slots: dict[int, int] = {}  # of tensors by their identity, which they keep while `done` holds them
    calls: list[tuple[Any, Any, Any, tuple[int, ...], set[int]]] = []
    last: dict[int, int] = {}
    for at, step in enumerate(kept):
        _refuse_looks(step)
        seen: set[int] = set()

        def place(tensor: Tensor, seen: set[int] = seen) -> Any:
            if id(tensor) not in slots:
                return tensor
            seen.add(slots[id(tensor)])
            return Slot(slots[id(tensor)])

        args, kwargs = (replaced(part, Tensor, place) for part in (tuple(step.args), step.kwargs))
        gives = tuple(slots.setdefault(id(result), len(slots)) for result in step.results)
        last.update(dict.fromkeys((*seen, *gives), at))
        calls.append((step.operation, args, kwargs, gives, seen))
    ends: Mapping[int, list[int]] = {at: [] for at in range(len(calls))}
    for number, at in last.items():
        ends[at].append(number)
    return Trace([Call(*call[:4], tuple(ends[at])) for at, call in enumerate(calls)])


# Operations whose results depend on numbers in ways that the host sees; an index does only where it is a mask.
LOOKS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
INDEXES, MASKS = {"index", "index_put", "index_put_"}, {torch.bool, torch.uint8}


def _refuse_looks(step: _Done) -> None:
    by_number = step.name in INDEXES and all(x.dtype not in MASKS for x in leaves(step.args[1], Tensor))
    if LOOKS & set(step.operation.tags) and not by_number:
        raise Unsupported(f"its step reads a number from a tensor that changes ({step.name})")


@cache
def _written(func: Any) -> tuple[tuple[int, str], ...]:
    """Places and names of the arguments that an operation writes in."""
    aliases = [(argument.alias_info, argument.name) for argument in func._schema.arguments]
    return tuple((i, name) for i, (alias, name) in enumerate(aliases) if alias is not None and alias.is_write)


def _storages(tensors: Sequence[Tensor]) -> frozenset[int]:
    return frozenset(tensor.untyped_storage()._cdata for tensor in tensors)
