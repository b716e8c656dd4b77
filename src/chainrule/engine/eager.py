"""Sites drawn one after another by a runner's steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.engine.finite import Guard
from chainrule.engine.interfaces import Incremental
from chainrule.engine.site import draw_site
from chainrule.heads import Head
from chainrule.layers import State


def draw_stepwise(
    model: Any,
    runner: Incremental,
    choose: Choice,
    values: Tensor,
    state: State,
    first: int,
    last: int,
    terms: Tensor | None,
    head: Head | None = None,
) -> State:
    """Draw sites first … last-1 of `values` (B, n, V) and their log-probabilities into `terms`; the state after them.

    Args:
        model: gives the head and the schedule.
        runner: whose steps these are.
        choose: the rule.
        values: in generation order, known up to `first`.
        state: before site `first`.
        first, last: sites.
        terms: (B, n, V) float64.
        head: the model's in another arithmetic; its own by default.

    Raises:
        ChainruleError: if parameters are not finite.
    """
    guard, head = Guard(model, values.device, last), head or model.head
    clock = torch.arange(last, device=values.device)
    phases = model.schedule(model.sites)
    prev = values[:, max(first - 1, 0)]
    for t in range(first, last):
        params, state = runner.step(prev, state, clock[t], phase=phases[t])
        guard.see(params, t)
        drawn = list(draw_site(head, params, choose, t, values.dtype))
        prev = torch.stack([value for value, _ in drawn], dim=1)
        values[:, t] = prev
        if terms is not None:
            terms[:, t] = torch.stack([own.log_prob(value) for value, own in drawn], dim=1)
    guard.close()
    return state
