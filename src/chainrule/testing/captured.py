"""Laws 2 and 3 for captured steps: what a GPU replays is the model's own rollout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from chainrule.engine import Known, Sample, draw_noise
from chainrule.engine.captured import CapturedRunner, Unsupported
from chainrule.engine.captured.capture import CAPTURES, as_it_is
from chainrule.testing.native import drawn_by
from chainrule.testing.subject import LawNotBinding, Subject, close, require


def captured_steps_are_eager(subject: Subject) -> None:
    """Steps recorded once and replayed draw the samples and completions of eager ones, with the same probabilities.

    Where the model's device has no graphs, the recording itself is replayed, operation by operation.
    """
    model, batch = subject.factorised(), 5
    cond = subject.cond(model, batch)
    rule = Sample(draw_noise(batch, model.domain.size, subject.generator()))
    sites = model.readable(model.to_sites(subject.items(batch))).flatten(1)
    known = (torch.rand(sites.shape, generator=subject.generator()) < 0.5) & ~sites.isnan()
    other = replace(rule, noise=rule.noise.flip(0))
    rules: Any = (
        ("sample", rule),
        ("sample from other noise", other),
        ("warm sample", replace(rule, temperature=1.7)),
        ("warm completion", Known(sites, known, replace(rule, temperature=1.7))),
    )
    runner = CapturedRunner(model, CAPTURES.get(model.device.type, as_it_is))
    for name, choose in rules:
        try:
            values, terms = drawn_by(runner, model, choose, cond)
        except Unsupported as reason:
            raise LawNotBinding(str(reason)) from reason
        expected, expected_terms = drawn_by(model, model, choose, cond)
        tolerance = 0 if model.domain.discrete else 1e-7
        require(close(values, expected, tolerance), f"captured_steps: another {name}")
        require(close(terms, expected_terms, 1e-7), f"captured_steps: another log_prob of a {name}")
