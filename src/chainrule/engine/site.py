"""The values of one site, drawn one after another by its head."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.heads import Conditional, Head


def draw_site(
    head: Head, params: Tensor, choose: Choice, site: int, kind: torch.dtype
) -> Iterator[tuple[Tensor, Conditional]]:
    """Each variable's values (B,) and the conditional they were chosen from, each given those before it.

    Args:
        head: of all sites.
        params: (B, P) of this one.
        choose: the rule.
        site: its place t among the sites; the rule is asked for the variables t·V … t·V + V - 1.
        kind: type of the values.
    """
    own = head.at(site)
    carry, value = own.init_state(params[:, : own.size]), None
    for v in range(head.variables):
        conditional, carry = own.step(value, carry, v)
        value = choose(conditional, site * head.variables + v).to(kind)
        yield value, conditional
