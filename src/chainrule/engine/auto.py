"""The runner that is used when none is named: eager steps, and a native loop once it has paid or will pay."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.engine.eager import draw_stepwise
from chainrule.engine.interfaces import Incremental
from chainrule.errors import ChainruleError
from chainrule.layers import State

if TYPE_CHECKING:
    from chainrule.engine.native import NativeRunner

NATIVE = {"native": None, "native-bf16": "bf16", "native-int8": "int8"}  # runners, and how they round weights
TRIED = 4  # sites that are drawn eagerly before the time of the rest is estimated
# Seconds of eager steps, past and to come, that are worth recording a model's step; and where the loop is not loaded.
RECORDING, LOADING = 0.05, 0.1
WORDS = 1024  # of a row, when the numbers of a tensor are summed
BETWEEN = 1.0  # seconds of eager steps between two looks at whether the loop has been compiled
log = logging.getLogger(__name__)


@dataclass
class Account:
    """What is known of a model that draws: how long it has drawn eagerly, and which draws are native already.

    Attributes:
        spent: seconds of eager steps that a native loop could have saved.
        known: batches and rules whose steps are recorded.
        refused: those that cannot be.
        runner: that has the records; another one after the model's numbers have changed.
        said: the last decision that was logged.
    """

    spent: float = 0.0
    known: set[Hashable] = field(default_factory=set)
    refused: set[Hashable] = field(default_factory=set)
    runner: NativeRunner | None = None
    said: str = ""

    def known_runner(self, key: Hashable, model: Any) -> NativeRunner | None:
        """What has the steps of this batch and rule recorded, with the model's numbers as they are."""
        return self.runner if key in self.known and find_native(model) is self.runner else None

    def learn(self, key: Hashable, model: Any, runner: NativeRunner) -> None:
        """These steps have been recorded by a runner."""
        if runner is not self.runner:
            self.known, self.runner = set(), runner
        self.known.add(key)
        self.spent = 0.0
        self.say(model, "native steps")

    def refuse(self, key: Hashable, model: Any, reason: str) -> None:
        """These steps cannot be recorded."""
        self.refused.add(key)
        self.say(model, f"eager steps: {reason}")

    def say(self, model: Any, decision: str) -> None:
        """Log a decision, where it is another one than the last."""
        if decision != self.said:
            log.info("%s: %s", getattr(model, "name", None) or type(model).__name__, decision)
        self.said = decision


# Of each model its tensors, marks of their numbers, and the runners made of these.
_runners: WeakKeyDictionary[Any, tuple[list[Tensor], list[_Mark], dict[str | None, NativeRunner | str]]]
_runners = WeakKeyDictionary()
_accounts: WeakKeyDictionary[Any, Account] = WeakKeyDictionary()


class Automatic:
    """Runs a model's steps: natively, where the model is on a CPU, it can be done, and it has paid or will pay.

    A native loop costs some hundredths of a second once, for each batch size and rule. A model draws eagerly until what
    it has spent so, over all calls, and what this call has left are worth that price. Where nobody has compiled the
    loop, another process begins to, and steps are eager meanwhile.
    Decisions, and why a model's steps cannot be native, are logged.

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
        model, length = self.model, values.shape[1]
        account, form = account_of(model), form_of(choose)
        key = values.shape, form, terms is not None
        able = bool(form) and values.device.type == "cpu" and key not in account.refused
        native: NativeRunner | str | None = account.known_runner(key, model) if able else None
        t, piece = first, TRIED if able else length
        while t < length:
            if native is not None:
                if self._drawn_natively(native, account, key, choose, values, state, t, terms):
                    return
                native, able = None, False
            start, end = time.perf_counter(), min(t + piece if able else length, length)
            state = draw_stepwise(model, model, choose, values, state, t, end, terms)
            taken = (time.perf_counter() - start) / (end - t)
            account.spent += taken * (end - t)
            if able and pays(account, model, taken * (length - end)):
                native = find_native(model)
            t, piece = end, max(int(BETWEEN / taken), 1)

    def _drawn_natively(
        self,
        found: NativeRunner | str,
        account: Account,
        key: Hashable,
        choose: Choice,
        values: Tensor,
        state: State,
        t: int,
        terms: Tensor | None,
    ) -> bool:
        """Draw sites t … n-1 natively, if there is a runner and the machine can."""
        if not isinstance(found, str):
            from chainrule.engine.native import Unsupported

            try:
                found.loop(choose, values, state, first=t, terms=terms)
                account.learn(key, self.model, found)
                return True
            except Unsupported as reason:
                found = str(reason)
        account.refuse(key, self.model, found)
        return False


def account_of(model: Any) -> Account:
    """What is known of a model; a new sheet if there is none."""
    return _accounts.setdefault(model, Account())


def form_of(choose: Choice) -> str:
    """What a rule is beside its tables; empty of one that keeps what it sees, and so cannot be mapped nor recorded."""
    return repr(choose.map(lambda table: table.new_zeros(0))) if hasattr(choose, "map") else ""


def pays(account: Account, model: Any, seconds: float) -> bool:
    """Whether what a model has spent on eager steps, and this many seconds to come, are worth a native loop."""
    seconds += account.spent
    if seconds <= RECORDING:
        account.say(model, "eager steps: too few to be worth recording")
        return False
    try:
        from chainrule.engine.native import machine
    except ImportError:  # `find_native` says why
        return True
    if not machine.ready():
        machine.compile_soon()
        account.say(model, "eager steps: the native loop is not compiled yet")
        return False
    return machine.loaded() or seconds > LOADING


def find_native(model: Any, rounding: str | None = None) -> NativeRunner | str:
    """The native runner of a model as it now is, with weights so rounded; or why there is none."""
    if model.device.type != "cpu":
        return f"it is for CPUs, the model is on {model.device}"
    tensors = _lasting(model)
    kept = _runners.get(model)
    if kept is None or not _same(tensors, kept[0], kept[1]):
        kept = _runners[model] = tensors, [_Mark.of(tensor) for tensor in tensors], {}
    if rounding not in kept[2]:
        kept[2][rounding] = _make(model, rounding)
    return kept[2][rounding]


def find_runner(model: Any, name: str) -> Incremental:
    """A runner by its name.

    Raises:
        ChainruleError: if there is none of that name, or not for this model.
    """
    if name == "eager":
        return model
    if name not in NATIVE:
        raise ChainruleError(f"runner: expected eager, {', '.join(NATIVE)}; got {name!r}")
    found = find_native(model, NATIVE[name])
    if isinstance(found, str):
        raise ChainruleError(f"native runner: {found}")
    return found


def _make(model: Any, rounding: str | None) -> NativeRunner | str:
    try:
        from chainrule.engine.native import NativeRunner
    except ImportError as missing:  # numba is not built for every Python on its first day
        return f"numba cannot be loaded: {missing}"
    return NativeRunner(model, rounding=rounding)


class _Mark(NamedTuple):
    """By what a tensor of before is known again, without a copy of its numbers."""

    version: int
    sums: Tensor

    @classmethod
    def of(cls, tensor: Tensor) -> Self:
        """Its version, and sums of its bytes over rows and columns of `WORDS` whole numbers, which may overflow.

        `.data` changes numbers unseen by autograd, which counts versions; numbers that change places change sums.
        """
        raw = tensor.detach().contiguous().flatten().view(torch.uint8)
        words = raw[: len(raw) // 8 * 8].view(torch.int64)
        rest = raw[len(raw) // 8 * 8 :].long()
        table, last = (
            words[: len(words) // WORDS * WORDS].view(-1, WORDS),
            words[len(words) // WORDS * WORDS :],
        )
        return cls(tensor._version, torch.cat([table.sum(0), table.sum(1), last, rest]))

    def fits(self, other: _Mark) -> bool:
        """Whether both are of the same numbers."""
        return self.version == other.version and torch.equal(self.sums, other.sums)


def _same(tensors: list[Tensor], before: list[Tensor], marks: list[_Mark]) -> bool:
    """Whether these are the tensors of before, with all their numbers."""
    return len(tensors) == len(before) and all(
        tensor is own and _Mark.of(tensor).fits(mark)
        for tensor, own, mark in zip(tensors, before, marks, strict=True)
    )


def _lasting(model: Any) -> list[Tensor]:
    """Parameters and buffers, but for those that follow from the model's sizes, such as masks."""
    passing = {
        id(module._buffers[name]) for module in model.modules() for name in module._non_persistent_buffers_set
    }
    return [*model.parameters(), *(buffer for buffer in model.buffers() if id(buffer) not in passing)]
