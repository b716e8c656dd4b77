"""Which runner codes: eager steps for little, native ones where they pay and can be had."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from threading import Lock

import torch
from torch import Tensor

from chainrule.coding.environment import Arithmetic
from chainrule.coding.steps import Steps, find_steps
from chainrule.engine import Incremental
from chainrule.engine.auto import TRIED, find_native
from chainrule.models import AutoregressiveModel

# Seconds of eager steps that are worth a file which only the same version of numba reads; and those that are worth
# compiling the loop first, where nobody has.
WORTH, COMPILING = 2.0, 60.0


def choose_runner(
    model: AutoregressiveModel, rows: int, blocks: int, cond: Tensor | None, portable: bool
) -> str:
    """The name of the runner, for this number of blocks and of rows in each; to be called in `repeatable`."""
    phases = model.schedule()
    start = time.perf_counter()
    tried = list(enumerate(phases))[:TRIED]
    _try(model, find_steps(model, "eager", portable).runner, rows, cond, tried)
    seconds = (time.perf_counter() - start) / len(tried) * len(phases) * blocks
    native = find_native(model) if _pays(seconds) else "it would not pay"
    if isinstance(native, str):
        return "eager"
    from chainrule.engine.native import Unsupported

    try:
        # Each kind of step is compiled here, and found again when the blocks are coded.
        runner = find_steps(model, "native", portable).runner
        _try(model, runner, rows, cond, [(phases.index(phase), phase) for phase in dict.fromkeys(phases)])
    except Unsupported:
        return "eager"
    return "native"


class Steppers:
    """The steps of a file's models, each found once, whichever thread asks first.

    Args:
        arithmetic: of the file.
        runner: who runs them; None for what the file says, or of a portable one for what is faster.
    """

    def __init__(self, arithmetic: Arithmetic, runner: str | None = None) -> None:
        self._portable = arithmetic.portable
        self._runner = runner if self._portable else arithmetic.runner
        self._known: dict[AutoregressiveModel, Steps] = {}
        self._lock = Lock()

    def of(self, model: AutoregressiveModel, rows: int, cond: Tensor | None = None) -> Steps:
        """The steps of a model, for blocks of about this number of rows."""
        with self._lock:
            if model not in self._known:
                name = self._runner or choose_runner(model, rows, 1, cond, self._portable)
                self._known[model] = find_steps(model, name, self._portable)
            return self._known[model]


def _pays(seconds: float) -> bool:
    if seconds <= WORTH:
        return False
    try:
        from chainrule.engine.native import machine
    except ImportError:  # `find_native` says why
        return False
    if seconds <= COMPILING and not machine.ready():
        machine.compile_soon()
        return False
    return True


@torch.no_grad()
def _try(
    model: AutoregressiveModel,
    runner: Incremental,
    rows: int,
    cond: Tensor | None,
    steps: Sequence[tuple[int, Hashable]],
) -> None:
    if cond is None and model.conditional:  # classes that stand in the file and are not read yet
        cond = torch.zeros(rows, *model.condition.item_shape, dtype=torch.int64)
    kind = model.head.kind(model.dtype)
    prev = torch.zeros(rows, model.head.variables, dtype=kind)
    state = runner.init_state(rows, cond=cond, length=model.sites, device=model.device, dtype=model.dtype)
    for t, phase in steps:
        _, state = runner.step(prev, state, torch.tensor(t), phase=phase)
