"""`chainrule sample --given`: draw items under conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.cli.opening import candidates
from chainrule.cli.output import say

if TYPE_CHECKING:
    from chainrule.cli.drawing import Drawing


def draw_given(opened: Drawing, given: list[str], n: int, particles: int | None) -> None:
    """Draw under conditions, and say how good the draws are."""
    from chainrule.tasks import parse_conditions, sample_given

    run = opened.run
    conditions = parse_conditions(run.model.domain, given)
    how: dict[str, Any] = {"cond": opened.cond, "particles": candidates(run, particles), **opened.how}
    drawn = sample_given(run.model, n, conditions, **how)
    about: dict[str, Any] = {
        "exact": drawn.exact,
        "candidates": drawn.candidates,
        "log_prob_given_nats": drawn.log_prob,
    }
    opened.finish(drawn.items, n, effective_sample_size=drawn.effective, **about)
    if not opened.options.json:
        worth = f"chosen among {drawn.candidates:,} candidates, worth {drawn.effective:,.0f} independent ones"
        say(f"under the conditions: {'exact draws' if drawn.exact else worth}")
