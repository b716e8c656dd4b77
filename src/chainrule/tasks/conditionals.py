"""Each conditional p(x_d | x_<d) of items, as a table of its levels."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.models.base.capabilities import Factorises


@torch.no_grad()
def conditionals(model: Model, x: Tensor, cond: Tensor | int | None = None) -> Tensor:
    """The probability of every level of every variable, given the variables before it: (B, *event_shape, K) float64.

    One parallel pass; within a site, the head goes through its variables.

    Args:
        model: of levels, with one factorisation.
        x: (B, *event_shape).
        cond: one per item, or one for all.

    Raises:
        ChainruleError: if the model mixes orderings, or is not of levels.
        DomainError: if x does not lie in the domain.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("made", cr.Domain.categorical(3, 4), hidden=[8])
        >>> conditionals(model, torch.zeros(2, 3, dtype=torch.int64)).shape
        torch.Size([2, 3, 4])
    """
    if not isinstance(model, Factorises) or not model.domain.discrete:
        raise ChainruleError(
            f"conditionals: expected a model of levels with one factorisation, got {model.name} of {model.domain}"
        )
    x = model.here(model.domain.check(x))
    own = model.expand_cond(cond, len(x))
    with exact_arithmetic(model):
        sites = model.to_sites(x)
        state = model.head.init_state(model.parallel(sites, own).flatten(0, 1))
        values = model.readable(sites).flatten(0, 1)  # (B·T, V)
        tables: list[Tensor] = []
        for v in range(model.head.variables):
            conditional, state = model.head.step(values[:, v - 1] if v else None, state, v)
            tables.append(conditional.table())
    found = torch.stack(tables, 1).unflatten(0, sites.shape[:2]).flatten(1, 2)  # (B, D, K), generation order
    return found[:, model.ordering.inverse].unflatten(1, model.domain.event_shape)
