"""The values of one site, drawn one after another by its head; and those of many sites at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from chainrule.engine.choice import Choice
from chainrule.heads import Conditional, Head


def draw_site(
    head: Head, params: Tensor, choose: Choice, site: int | Tensor, kind: torch.dtype
) -> Iterator[tuple[Tensor, Conditional]]:
    """Each variable's values (B,) and the conditional they were chosen from, each given those before it.

    Args:
        head: of all sites, or of this one.
        params: (B, P) of this one.
        choose: the rule.
        site: its place t among the sites, a 0-d tensor if `head` is its own; the rule is asked for the variables
            t·V … t·V + V - 1.
        kind: type of the values.
    """
    own = head.at(site) if isinstance(site, int) else head
    carry, value = own.init_state(params[:, : own.size]), None
    for v in range(head.variables):
        conditional, carry = own.step(value, carry, v)
        value = choose(conditional, site * head.variables + v).to(kind)
        yield value, conditional


def draw_sites(head: Head, params: Tensor, choose: Choice, start: int, kind: torch.dtype) -> Tensor:
    """The values (B, n, V) of the sites from `start` on, all at once: params (B, n, P) say nothing of one another.

    Args:
        head: of all sites; those that share one are drawn as rows of one batch.
        params: (B, n, P).
        choose: the rule for B rows.
        start: the first of the n sites.
        kind: type of the values.
    """
    batch, n, variables = *params.shape[:2], head.variables
    values = torch.zeros(batch, n, variables, device=params.device, dtype=kind)
    alike: dict[Head, list[int]] = {}
    for i in range(n):
        alike.setdefault(head.at(start + i), []).append(i)
    for own, places in alike.items():
        index = torch.tensor(places, device=params.device)
        columns = (
            (start + index)[:, None] * variables + torch.arange(variables, device=index.device)
        ).flatten()
        rule = choose.map(partial(_by_site, columns=columns, variables=variables))
        rows = params.index_select(1, index).flatten(0, 1)
        drawn = torch.stack([value for value, _ in draw_site(own, rows, rule, 0, kind)], dim=1)
        values[:, index] = drawn.unflatten(0, (batch, -1))
    return values


def _by_site(table: Tensor, columns: Tensor, variables: int) -> Tensor:
    """(B, D) → (B·n, V): a row for each item and site."""
    return table.index_select(1, columns).reshape(-1, variables)
