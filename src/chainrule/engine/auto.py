"""The runner that is used when none is named: eager steps, then native or captured ones once they have paid or will."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from weakref import ref

import torch
from torch import Tensor

from chainrule.engine.captured import CapturedRunner
from chainrule.engine.captured.capture import CAPTURES
from chainrule.engine.choice import Choice
from chainrule.engine.eager import draw_stepwise
from chainrule.engine.interfaces import Incremental, ModelSteps, Unsupported
from chainrule.engine.portable import Portable, PortableSteps
from chainrule.errors import ChainruleError
from chainrule.layers import State

if TYPE_CHECKING:
    from chainrule.engine.native import NativeRunner

CAPTURED = "captured"
FUSED = "captured-fused"
NATIVE = {"native": None, "native-bf16": "bf16", "native-int8": "int8"}  # runners, and how they round weights
PORTABLE = {
    "eager": "portable-eager",
    "native": "portable-native",
}  # who runs the steps of portable arithmetic
TRIED = 4  # sites that are drawn eagerly before the time of the rest is estimated
# Seconds of eager steps, past and to come, that are worth recording a model's step; and where the loop is not loaded.
RECORDING, LOADING = 0.05, 0.1
CAPTURING = 10  # eager steps that the capture of a kind of site takes as long as
WORDS = 1024  # of a row, when the numbers of a tensor are summed
BETWEEN = 1.0  # seconds of eager steps between two looks at whether the loop has been compiled
log = logging.getLogger(__name__)


@dataclass
class Account:
    """How long a model has drawn eagerly, and which draws are faster already.

    Attributes:
        spent: seconds of eager steps that another runner could have saved.
        step: seconds of the last ones, each.
        known: batches and rules whose steps are recorded.
        refused: those that cannot be.
        runner: that has the records; another one after the model's numbers have changed.
        said: the last decision that was logged.
    """

    spent: float = 0.0
    step: float = 0.0
    known: set[Hashable] = field(default_factory=set)
    refused: set[Hashable] = field(default_factory=set)
    runner: NativeRunner | CapturedRunner | None = None
    said: str = ""

    def known_runner(self, key: Hashable, model: Any) -> NativeRunner | CapturedRunner | None:
        """What has the steps of this batch and rule recorded, with the model's numbers as they are."""
        return self.runner if key in self.known and find_fast(model) is self.runner else None

    def took(self, seconds: float, steps: int) -> None:
        """These eager steps took this long."""
        self.spent, self.step = self.spent + seconds, seconds / steps

    def learn(self, key: Hashable, model: Any, runner: NativeRunner | CapturedRunner) -> None:
        """These steps have been recorded by a runner."""
        if runner is not self.runner:
            self.known, self.runner = set(), runner
        self.known.add(key)
        self.spent = 0.0
        self.say(model, "captured steps" if isinstance(runner, CapturedRunner) else "native steps")

    def refuse(self, key: Hashable, model: Any, reason: str) -> None:
        """These steps cannot be recorded."""
        self.refused.add(key)
        self.say(model, f"eager steps: {reason}")

    def say(self, model: Any, decision: str) -> None:
        """Log a decision, where it is another one than the last."""
        if decision != self.said:
            log.info("%s: %s", getattr(model, "name", None) or type(model).__name__, decision)
        self.said = decision


class Ledger:
    """What is known of a model's steps. It lies in the model, and goes with it; a copy of the model begins anew.

    Attributes:
        account: of what it drew.
        tensors: the model's, when the runners were made.
        marks: of the numbers in them.
        runners: by name, or why there is none.
    """

    def __init__(self, model: Any) -> None:
        self._owner = ref(model)
        self.account = Account()
        self.tensors: list[Tensor] = []
        self.marks: list[_Mark] = []
        self.runners: dict[str, Any] = {}

    @classmethod
    def of(cls, model: Any) -> Ledger:
        """The model's own."""
        found = model.__dict__.get("_ledger")
        if found is None or found._owner() is not model:
            found = model.__dict__["_ledger"] = cls(model)
        return found

    def __deepcopy__(self, memo: Any) -> Ledger:
        return self  # which the copy will see is not its own

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


class Automatic(ModelSteps):
    """Runs a model's steps by the fast runner of its device, where that can be done, and has paid or will pay.

    On a CPU that is a native loop, which costs some hundredths of a second once, for each batch size and rule; on a GPU
    it is captured steps, at the price of some eager ones for each kind of site. A model draws eagerly until what it has
    spent so, over all calls, and what this call has left are worth that price. Where nobody has compiled the native
    loop, another process begins to, and steps are eager meanwhile.
    Decisions, and why a model's steps cannot be so, are logged.

    Args:
        model: an `engine.rollout.Stepwise`.
    """

    def loop(
        self, choose: Choice, values: Tensor, state: State, *, first: int, terms: Tensor | None = None
    ) -> None:
        """Draw sites first … n-1 of `values` (B, n, V)."""
        model, length = self.model, values.shape[1]
        account, form = account_of(model), form_of(choose)
        key = values.shape, form, terms is not None
        able = has_fast(values.device) and bool(form) and key not in account.refused
        fast: NativeRunner | CapturedRunner | str | None = account.known_runner(key, model) if able else None
        t, piece = first, TRIED if able else length
        while t < length:
            if fast is not None:
                if self._drawn_fast(fast, account, key, choose, values, state, t, terms):
                    return
                fast, able = None, False
            start, end = time.perf_counter(), min(t + piece if able else length, length)
            state = draw_stepwise(model, model, choose, values, state, t, end, terms)
            account.took(time.perf_counter() - start, end - t)
            if able and pays(account, model, account.step * (length - end)):
                fast = find_fast(model)
            t, piece = end, max(int(BETWEEN / account.step), 1)

    def _drawn_fast(
        self,
        found: NativeRunner | CapturedRunner | str,
        account: Account,
        key: Hashable,
        choose: Choice,
        values: Tensor,
        state: State,
        t: int,
        terms: Tensor | None,
    ) -> bool:
        """Draw sites t … n-1 by a runner, if there is one and it can."""
        if not isinstance(found, str):
            try:
                found.loop(choose, values, state, first=t, terms=terms)
                account.learn(key, self.model, found)
                return True
            except Unsupported as reason:
                found = str(reason)
        account.refuse(key, self.model, found)
        return False


def account_of(model: Any) -> Account:
    """What is known of what a model drew."""
    return Ledger.of(model).account


def form_of(choose: Choice) -> str:
    """What a rule is beside its tables; empty of one that keeps what it sees, and so cannot be mapped nor recorded."""
    return repr(choose.map(lambda table: table.new_zeros(0))) if hasattr(choose, "map") else ""


def has_fast(device: torch.device) -> bool:
    """Whether there is a fast runner for a kind of device."""
    return device.type == "cpu" or device.type in CAPTURES


def pays(account: Account, model: Any, seconds: float) -> bool:
    """Whether what a model has spent on eager steps, and this many seconds to come, are worth its fast runner."""
    seconds += account.spent
    if model.device.type in CAPTURES:
        fast = find_fast(model)
        if isinstance(fast, CapturedRunner) and seconds <= CAPTURING * len(fast.kinds.each) * account.step:
            account.say(model, "eager steps: too few to be worth capturing")
            return False
        return True
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


def find_fast(model: Any) -> NativeRunner | CapturedRunner | str:
    """The fast runner of a model as it now is, on a device that has one; or why there is none."""
    return _find(model, CAPTURED) if model.device.type in CAPTURES else find_native(model)


def find_native(model: Any, name: str = "native") -> NativeRunner | str:
    """The native runner of a model as it now is, rounded as a name of `NATIVE` says; or why there is none."""
    if model.device.type != "cpu":
        return f"it is for CPUs, the model is on {model.device}"
    return _find(model, name)


def _find(model: Any, name: str) -> Any:
    """The one that was made of the model's numbers, if they are the same."""
    tensors, marks = _marked(model)
    ledger = Ledger.of(model)
    if not ledger.runners or not _same(tensors, marks, ledger.tensors, ledger.marks):
        ledger.tensors, ledger.marks, ledger.runners = tensors, marks, {}
    if name not in ledger.runners:
        ledger.runners[name] = _make(model, name)
    return ledger.runners[name]


def find_runner(model: Any, name: str) -> Incremental:
    """A runner by its name.

    Raises:
        ChainruleError: if there is none of that name, or not for this model.
    """
    if name == "eager":
        return model
    if name not in (*NATIVE, CAPTURED, FUSED):
        known = ", ".join(("eager", *NATIVE, CAPTURED))
        raise ChainruleError(f"runner: expected {known} or {FUSED}; got {name!r}")
    found = find_native(model, name) if name in NATIVE else _find(model, name)
    if isinstance(found, str):
        raise ChainruleError(f"native runner: {found}" if name in NATIVE else found)
    return found


def find_portable(model: Any, name: str) -> PortableSteps | NativeRunner:
    """Steps in portable arithmetic by "eager" or "native" ones.

    Raises:
        ChainruleError: if there is no such runner for this model.
    """
    if name not in PORTABLE:
        raise ChainruleError(f"runner: expected {' or '.join(PORTABLE)}, got {name!r}")
    found: Any = _find(model, PORTABLE[name])
    if isinstance(found, str):
        raise ChainruleError(f"native runner: {found}")
    return found


def _make(model: Any, name: str) -> NativeRunner | CapturedRunner | PortableSteps | str:
    if name == PORTABLE["eager"]:
        return PortableSteps(model, Portable(model))
    if name not in NATIVE and name != PORTABLE["native"]:
        try:
            return _make_captured(model, name == FUSED)
        except Unsupported as reason:
            return str(reason)
    try:
        from chainrule.engine.native import NativeRunner
    except ImportError as missing:  # numba is not built for every Python on its first day
        return f"numba cannot be loaded: {missing}"
    if name == PORTABLE["native"]:
        return NativeRunner(model, arithmetic=Portable(model))
    return NativeRunner(model, rounding=NATIVE[name])


def _make_captured(model: Any, fused: bool) -> CapturedRunner:
    if not fused:
        return CapturedRunner(model)
    from chainrule.engine.captured.fused import Fused

    mode = Fused()
    return CapturedRunner(model, mode=lambda: mode)


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


def _same(tensors: list[Tensor], marks: list[_Mark], before: list[Tensor], those: list[_Mark]) -> bool:
    """Whether these are the tensors of before, with all their numbers."""
    return len(tensors) == len(before) and all(
        tensor is own and mark.fits(other)
        for tensor, own, mark, other in zip(tensors, before, marks, those, strict=True)
    )


def _marked(model: Any) -> tuple[list[Tensor], list[_Mark]]:
    """Parameters and buffers, and marks of them; of buffers that are not saved, such as masks, the version alone."""
    passing = {
        id(module._buffers[name]) for module in model.modules() for name in module._non_persistent_buffers_set
    }
    tensors = [*model.parameters(), *model.buffers()]
    none = torch.empty(0, dtype=torch.int64)
    return tensors, [_Mark(t._version, none) if id(t) in passing else _Mark.of(t) for t in tensors]
