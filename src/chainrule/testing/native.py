"""Laws 2 and 3 for native and portable steps: the model's own conditionals and samples, whatever is in the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from chainrule.engine import Incremental, Known, Sample, draw_noise, exact_arithmetic, rollout
from chainrule.engine.native import NativeRunner, Unsupported
from chainrule.engine.portable import NotPortable, Portable, PortableSteps
from chainrule.models import AutoregressiveModel
from chainrule.testing.subject import LawNotBinding, Subject, close, require


def native_steps_are_eager(subject: Subject) -> None:
    """A native loop draws the samples and the completions of eager steps, and gives them the same probabilities.

    In single precision a row is, bit for bit, what it is in any other batch and on any number of threads.
    """
    model, batch = subject.factorised(), 5
    cond = subject.cond(model, batch)
    rule = Sample(draw_noise(batch, model.domain.size, subject.generator()))
    sites = model.readable(model.to_sites(subject.items(batch))).flatten(1)
    known = (torch.rand(sites.shape, generator=subject.generator()) < 0.5) & ~sites.isnan()
    tolerance = 0 if model.domain.discrete else 1e-7
    warm = Known(sites, known, replace(rule, temperature=1.7))
    runner = NativeRunner(model, 2)  # one for all: what it keeps of one rule must not serve another
    rules: Any = (("sample", rule), ("warm completion", warm), ("warm sample", warm.otherwise))
    for name, choose in rules:
        values, terms = _drawn(model, choose, cond, model)
        own, own_terms = _drawn(model, choose, cond, runner)
        require(close(own, values, tolerance), f"native_steps: another {name}")
        require(close(own_terms, terms, 1e-7), f"native_steps: another log_prob of a {name}")
    model = subject.factorised(torch.float32)
    cond = subject.cond(model, batch, torch.float32)
    alone, shared = (_drawn(model, rule, cond, NativeRunner(model, threads)) for threads in (1, 3))
    for one, other in zip(shared, alone, strict=True):
        require(close(one, other, 0), "native_steps: a row depends on its batch")


def native_step_is_forward(subject: Subject) -> None:
    """Single native steps give the parameters of the parallel pass."""
    model = subject.factorised()
    try:
        steps_are_forward("native_step", subject, model, NativeRunner(model, 1), 1e-8)
    except Unsupported as reason:
        raise LawNotBinding(f"native steps: {reason}") from reason


def portable_step_is_forward(subject: Subject) -> None:
    """Single steps in portable arithmetic give the parameters of the parallel pass, up to their rounding."""
    model = subject.factorised(torch.float32)
    try:
        steps_are_forward("portable_step", subject, model, PortableSteps(model, Portable(model)), 1e-4)
    except NotPortable as reason:
        raise LawNotBinding(f"portable steps: {reason}") from reason


def steps_are_forward(
    law: str, subject: Subject, model: AutoregressiveModel, runner: Incremental, tolerance: float
) -> None:
    """See that a runner's single steps give the parameters of the parallel pass.

    Raises:
        LawViolation: of this law, if they differ by more than the tolerance, as `close` measures it.
    """
    batch = 3
    x, cond = subject.items(batch, model.dtype), subject.cond(model, batch, model.dtype)
    sites = model.to_sites(x)
    with exact_arithmetic(model):
        parallel = model.forward(x, cond)
        state = runner.init_state(
            batch, cond=cond, length=model.sites, device=model.device, dtype=model.dtype
        )
        for t, phase in enumerate(model.schedule()):
            params, state = runner.step(sites[:, max(t - 1, 0)], state, torch.tensor(t), phase=phase)
            require(close(params, parallel[:, t], tolerance), f"{law}: other parameters at site {t}")


def _drawn(
    model: AutoregressiveModel, choose: Sample | Known, cond: Tensor | None, runner: Incremental
) -> tuple[Tensor, Tensor]:
    try:
        return drawn_by(runner, model, choose, cond)
    except Unsupported as reason:
        raise LawNotBinding(f"native steps: {reason}") from reason


def drawn_by(
    runner: Incremental, model: AutoregressiveModel, choose: Sample | Known, cond: Tensor | None
) -> tuple[Tensor, Tensor]:
    """What a runner draws (B, T, V), and the log-probability of each value."""
    rows = len(choose.values if isinstance(choose, Known) else choose.noise)
    how: Any = {"device": model.device, "dtype": model.dtype, "runner": runner}
    with exact_arithmetic(model):
        drawn = rollout(model, choose, rows, cond=cond, score=True, **how)
    assert drawn.log_prob is not None
    return drawn.values, drawn.log_prob
