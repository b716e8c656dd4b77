"""One site of a rollout as a function of tensors alone: what a native loop and a captured graph are recorded from."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.engine.site import draw_site
from chainrule.layers import State


def advance(
    model: Any,
    kind: tuple[Hashable, Any],
    rule: Choice,
    clock: Tensor,
    shift: Tensor,
    values: Tensor,
    sums: Tensor,
    terms: Tensor | None,
    state: State,
) -> State:
    """Draw the site that the clock shows, and give the state after it.

    Args:
        model: an `engine.rollout.Stepwise`.
        kind: the phase and the head of the site.
        rule: chooses.
        clock: () the site t of the net.
        shift: (2,) what added to t is the place in `values`, and the site that the rule is asked for.
        values: (B, n, V) written at its place; the one before is read.
        sums: (B, n, 1) takes the sum of the parameters, which is finite where they are.
        terms: (B, n, V) float64 takes the log-probability of each value.
        state: before the site.
    """
    phase, head = kind
    here, site = (clock + shift).split(1)
    prev = values.index_select(1, (here - 1).clamp(min=0))[:, 0]
    params, after = model.step(prev, state, clock, phase=phase)
    total = params.sum(-1) if params.dtype == sums.dtype else params.sum(-1, dtype=sums.dtype)
    sums.index_copy_(1, here, total[:, None, None])
    drawn, scores = [], []
    for value, conditional in draw_site(head, params, rule, site, values.dtype):
        drawn.append(value)
        if terms is not None:
            scores.append(conditional.log_prob(value).double())
    values.index_copy_(1, here, torch.stack(drawn, dim=1)[:, None])
    if terms is not None:
        terms.index_copy_(1, here, torch.stack(scores, dim=1)[:, None])
    return after


class Kinds:
    """The kinds of sites that a model has: those of one phase and head take the same steps.

    Attributes:
        each: (phase, head) by number.
        numbers: (T,) the kind of each site.
    """

    def __init__(self, model: Any) -> None:
        head, found = model.head, dict[Hashable, int]()
        self.each: list[tuple[Hashable, Any]] = []
        self.numbers = np.empty(model.sites, dtype=np.int64)
        for t, phase in enumerate(model.schedule(model.sites)):
            own = head.at(t)
            self.numbers[t] = found.setdefault((phase, id(own)), len(found))
            if len(found) > len(self.each):
                self.each.append((phase, own))

    def between(self, first: int, last: int) -> np.ndarray:
        """The kinds (last - first,) of the sites first … last-1; those after the model's last one are of its kind."""
        return self.numbers[np.minimum(np.arange(first, last), len(self.numbers) - 1)]
