"""Law 2, for predictive samplers: the same noise gives the same sample."""

from __future__ import annotations

from typing import Any

import torch

from chainrule.engine import FixedPoint, Predictive, Speculative
from chainrule.models.base.capabilities import Factorises, Sequential
from chainrule.testing.subject import LawNotBinding, Subject, close, require


def guessing_ahead_changes_nothing(subject: Subject) -> None:
    """Fixed-point iteration and speculative sampling give the rollout's sample.

    So for completions, with a known value after unknown ones; and no item takes more passes than it has sites.
    """
    model, domain, batch = subject.build(), subject.domain, 5
    if not isinstance(model, Sequential):
        raise LawNotBinding("the model draws no variable after another")
    x, cond = subject.items(batch), subject.cond(model, batch)
    tolerance = 0 if domain.discrete else 1e-9  # numbers move with the last bits of their parameters
    runners: dict[str, Predictive] = {
        "a fixed point": FixedPoint(),
        "a fixed point of blocks": FixedPoint(block=2, forecast="last"),
    }
    sample = model.sample(batch, cond, generator=subject.generator())
    drafts: dict[str, Predictive] = {}
    if domain.discrete and isinstance(model, Factorises):
        draft = Subject(subject.factory, domain, subject.seed + 1).factorised()  # other parameters
        drafts["a draft"] = Speculative(draft, ahead=2)
    for way, runner in (runners | drafts).items():
        again = model.sample(batch, cond, generator=subject.generator(), runner=runner)
        require(close(again, sample, tolerance), f"guessing_ahead: {way} gives another sample")
        most = model.factorisation.sites
        require(
            (runner.calls <= most).all(),
            f"guessing_ahead: {way} takes {runner.calls.tolist()} passes of {most} sites",
        )
    if not isinstance(model, Factorises):
        return
    ends = torch.tensor([0, domain.size - 1] if domain.lengths == "fixed" else [0])
    flat = torch.zeros(1, domain.size, dtype=torch.bool).index_fill(1, ends, True)
    known = model.ordering.unflatten(flat)[0]
    options: Any = {"n": 2, "particles": 2, "cond": cond}
    completed = model.complete(x, known, generator=subject.generator(), **options)
    for way, runner in runners.items():
        again = model.complete(x, known, generator=subject.generator(), runner=runner, **options)
        require(close(again, completed, tolerance), f"guessing_ahead: {way} gives another completion")
