"""The runner that is used when none is named: eager steps, then a native loop where many are left."""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.engine.eager import draw_stepwise
from chainrule.engine.interfaces import Incremental
from chainrule.errors import ChainruleError
from chainrule.layers import State

if TYPE_CHECKING:
    from chainrule.engine.native import NativeRunner

MACHINE = "chainrule.engine.native.interpreter"
TRIED = 4  # sites that are drawn eagerly before the time of the rest is estimated
# Seconds that the rest must take eagerly before it is worth recording the steps, before it is worth loading the
# machine, and before it is worth compiling it where nobody has.
PATIENCE, LONG_PATIENCE, COMPILING = 0.2, 2.0, 30.0

# Of each model its tensors, a copy of their numbers, and the runners made of these.
_runners: WeakKeyDictionary[Any, tuple[list[Tensor], list[np.ndarray], dict[bool, NativeRunner | str]]]
_runners = WeakKeyDictionary()


class Automatic:
    """Runs a model's steps: eagerly, then natively if many are left, if the model is on a CPU, and if it can be done.

    Why it cannot be done is logged by the native runner.

    Args:
        model: an `engine.rollout.Stepwise`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def init_state(
        self, batch: int, *, cond: Tensor | None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The model's own."""
        return self.model.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """The model's own."""
        return self.model.prefill(sites, state)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable) -> tuple[Tensor, State]:
        """The model's own."""
        return self.model.step(prev, state, t, phase=phase)

    def loop(
        self, choose: Choice, values: Tensor, state: State, *, first: int, terms: Tensor | None = None
    ) -> None:
        """Draw sites first … n-1 of `values` (B, n, V)."""
        length = values.shape[1]
        on = values.device.type == "cpu" and first + TRIED < length
        tried = first + TRIED if on else length
        start = time.perf_counter()
        state = draw_stepwise(self.model, self.model, choose, values, state, first, tried, terms)
        left = (time.perf_counter() - start) / TRIED * (length - tried)
        if pays(left):
            found = find_native(self.model)
            if not isinstance(found, str):
                from chainrule.engine.native import Unsupported

                with suppress(Unsupported):
                    return found.loop(choose, values, state, first=tried, terms=terms)
        draw_stepwise(self.model, self.model, choose, values, state, tried, length, terms)


def pays(seconds: float) -> bool:
    """Whether eager steps that take this many seconds are worth a native loop."""
    if seconds <= (PATIENCE if MACHINE in sys.modules else LONG_PATIENCE):
        return False
    try:
        from chainrule.engine.native import compiled
    except ImportError:  # `find_native` says why
        return True
    return seconds > COMPILING or compiled()


def find_native(model: Any, half: bool = False) -> NativeRunner | str:
    """The native runner of a model as it now is, with weights in bfloat16 if `half`; or why there is none."""
    if model.device.type != "cpu":
        return f"it is for CPUs, the model is on {model.device}"
    tensors = [*model.parameters(), *model.buffers()]
    kept = _runners.get(model)
    if kept is None or not _same(tensors, kept[0], kept[1]):
        kept = _runners[model] = tensors, [_bytes(tensor).copy() for tensor in tensors], {}
    if half not in kept[2]:
        kept[2][half] = _make(model, half)
    return kept[2][half]


def find_runner(model: Any, name: str) -> Incremental:
    """A runner by its name.

    Raises:
        ChainruleError: if there is none of that name, or not for this model.
    """
    if name == "eager":
        return model
    if name not in ("native", "native-bf16"):
        raise ChainruleError(f"runner: expected eager, native or native-bf16, got {name!r}")
    found = find_native(model, half=name == "native-bf16")
    if isinstance(found, str):
        raise ChainruleError(f"native runner: {found}")
    return found


def _make(model: Any, half: bool) -> NativeRunner | str:
    try:
        from chainrule.engine.native import NativeRunner
    except ImportError as missing:  # numba is not built for every Python on its first day
        return f"numba cannot be loaded: {missing}"
    return NativeRunner(model, half=half)


def _same(tensors: list[Tensor], before: list[Tensor], numbers: list[np.ndarray]) -> bool:
    """Whether these are the tensors of before, with all their numbers: `.data` changes them unseen by autograd."""
    return len(tensors) == len(before) and all(
        tensor is own and _equal(_bytes(tensor), kept)
        for tensor, own, kept in zip(tensors, before, numbers, strict=True)
    )


def _bytes(tensor: Tensor) -> np.ndarray:
    """The bytes of a tensor's numbers: -0 differs from 0, and NaN equals itself."""
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy()


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    words = len(a) // 8 * 8  # eight bytes at once take as long as one
    return len(a) == len(b) and bool(
        np.array_equal(a[:words].view(np.int64), b[:words].view(np.int64))
        and np.array_equal(a[words:], b[words:])
    )
