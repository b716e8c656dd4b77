"""Record what a step does to tensors that change from step to step; all else is done once and for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from chainrule.engine import interfaces
from chainrule.engine.native.views import View
from chainrule.engine.nested import leaves, replaced

# Operations whose result depends on the shape of a tensor alone.
SHAPED = {
    "zeros_like",
    "ones_like",
    "full_like",
    "empty_like",
    "new_zeros",
    "new_ones",
    "new_full",
    "new_empty",
}


class Unsupported(interfaces.Unsupported):
    """Why a step cannot be run natively."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"native runner: {reason}")


@dataclass(frozen=True)
class Call:
    """One operation: its arguments and results, tensors replaced by views."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any


@dataclass
class Recording:
    """What a step does.

    Attributes:
        calls: in order.
        constants: buffers that no call writes, by number.
        inputs: buffers that the caller owns, by number: their views, in the order in which they were given.
        tensors: one of every buffer, by number: while they live, no memory is given out twice.
    """

    calls: list[Call] = field(default_factory=list)
    constants: dict[int, Tensor] = field(default_factory=dict)
    inputs: list[View] = field(default_factory=list)
    tensors: dict[int, Tensor] = field(default_factory=dict)

    def tensor(self, view: View) -> Tensor:
        """What a view showed when the recording ended."""
        return self.tensors[view.buffer].as_strided(view.shape, view.strides, view.offset)


class _Recorder(TorchDispatchMode):
    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.recording = Recording()
        self._numbers: dict[int, int] = {}
        self._changing: set[int] = set()
        for tensor in inputs:
            view = self.view(tensor)
            self.recording.constants.pop(view.buffer, None)
            self._changing.add(view.buffer)
            self.recording.inputs.append(view)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads its compiler, for a second, and wraps each operation

    def view(self, tensor: Tensor) -> View:
        """Where a tensor lies; a buffer seen for the first time is a constant until something writes in it."""
        storage = tensor.untyped_storage()._cdata
        if storage not in self._numbers:
            self._numbers[storage] = len(self._numbers)
            self.recording.constants[self._numbers[storage]] = tensor
            self.recording.tensors[self._numbers[storage]] = tensor
        number = self._numbers[storage]
        shape, strides = tuple(tensor.shape), tuple(tensor.stride())
        return View(number, int(tensor.storage_offset()), shape, strides, tensor.dtype)

    def changes(self, tensor: Tensor) -> bool:
        return self._numbers.get(tensor.untyped_storage()._cdata) in self._changing

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = leaves((args, kwargs), Tensor)
        if func.is_view or not any(map(self.changes, tensors)):
            return func(*args, **kwargs)
        name = func._overloadpacket.__name__
        if name in SHAPED:
            return func(*args, **kwargs)
        if name == "_local_scalar_dense":
            raise Unsupported("its step reads a number from a tensor that changes")
        written = [args[place] for place in _written(func) if place < len(args)]
        for tensor in written:
            self._begin_with_constant(tensor)
        out = func(*args, **kwargs)
        results = leaves(out, Tensor)
        storages = {tensor.untyped_storage()._cdata for tensor in tensors}
        if not written and all(result.untyped_storage()._cdata in storages for result in results):
            return out  # a view that does not say so
        seen = (replaced(value, Tensor, self.view) for value in (tuple(args), kwargs, out))
        self.recording.calls.append(Call(name, *seen))
        for result in results:
            self._mark(result)
        return out

    def _begin_with_constant(self, tensor: Tensor) -> None:
        # A buffer of constants that is now written in: every run has to start with what was in it.
        view = self.view(tensor)
        if view.buffer in self._changing:
            return
        whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
        before = whole.clone()
        # Before all calls: an earlier one may have read it.
        begin = Call("copy_", (self.view(whole), self.view(before)), {}, self.view(whole))
        self.recording.calls.insert(0, begin)
        self._mark(tensor)

    def _mark(self, tensor: Tensor) -> None:
        view = self.view(tensor)
        self._changing.add(view.buffer)
        self.recording.constants.pop(view.buffer, None)


@cache
def _written(func: Any) -> tuple[int, ...]:
    """Which of an operation's arguments it writes in."""
    aliases = [argument.alias_info for argument in func._schema.arguments]
    return tuple(i for i, alias in enumerate(aliases) if alias is not None and alias.is_write)


@torch.no_grad()
def record(function: Callable[..., Any], inputs: Sequence[Tensor]) -> tuple[Recording, Any]:
    """Run a function of these tensors once, and record what it did to them and to the results.

    What depends on other tensors alone (parameters, masks) is computed by the run, and is a constant of the
    recording. The inputs themselves are changed where the function writes in them.

    Returns:
        The recording, and the function's result with views in place of tensors.

    Raises:
        Unsupported: if the function needs the value of a tensor that changes.
    """
    recorder = _Recorder(inputs)
    with recorder:
        result = function(*inputs)
    return recorder.recording, replaced(result, Tensor, recorder.view)
