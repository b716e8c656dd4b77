"""Which runner codes: eager steps for little, native ones where they pay and can be had."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from chainrule.engine import Incremental
from chainrule.engine.auto import TRIED, find_native
from chainrule.models import AutoregressiveModel

# Seconds of eager steps that are worth a file which only the same version of numba reads; and those that are worth
# compiling the loop first, where nobody has.
WORTH, COMPILING = 2.0, 60.0


def choose_runner(model: AutoregressiveModel, rows: int, blocks: int, cond: Tensor | None) -> str:
    """The name of the runner, for this number of blocks and of rows in each; to be called in `repeatable`."""
    phases = model.schedule()
    start = time.perf_counter()
    tried = list(enumerate(phases))[:TRIED]
    _try(model, model, rows, cond, tried)
    seconds = (time.perf_counter() - start) / len(tried) * len(phases) * blocks
    native = find_native(model) if _pays(seconds) else "it would not pay"
    if isinstance(native, str):
        return "eager"
    from chainrule.engine.native import Unsupported

    try:
        # Each kind of step is compiled here, and found again when the blocks are coded.
        _try(model, native, rows, cond, [(phases.index(phase), phase) for phase in dict.fromkeys(phases)])
    except Unsupported:
        return "eager"
    return "native"


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
    kind = model.head.kind(model.dtype)
    prev = torch.zeros(rows, model.head.variables, dtype=kind)
    state = runner.init_state(rows, cond=cond, length=model.sites, device=model.device, dtype=model.dtype)
    for t, phase in steps:
        _, state = runner.step(prev, state, torch.tensor(t), phase=phase)
