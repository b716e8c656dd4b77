"""What would have been drawn, had one variable come out otherwise."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.models.base.capabilities import Completes, Factorises


def redraw(
    model: Model,
    x: Tensor,
    d: int,
    value: int,
    *,
    cond: Tensor | int | None = None,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Items (B, *event_shape) as x before variable d, with this value there, and drawn again after it.

    With a generator in the state in which it drew x, the noise is the same: what differs is an effect of the value, and
    with the value that x has, the result is x.

    Args:
        model: with one factorisation, of levels.
        x: (B, *event_shape).
        d: the variable, counted in generation order.
        value: its level.
        cond: one per item, or one for all.
        temperature: of what is drawn; see `sample`.
        generator: where the randomness comes from.

    Raises:
        ChainruleError: if the model mixes orderings, or there is no such variable.
        DomainError: if the value is none of the variable's levels.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("made", cr.Domain.binary(4), hidden=[8])
        >>> x = model.sample(1, generator=torch.Generator().manual_seed(0))
        >>> other = redraw(model, x, 1, 1 - x[0, 1], generator=torch.Generator().manual_seed(0))
        >>> bool(other[0, 0] == x[0, 0]), bool(other[0, 1] == x[0, 1])
        (True, False)
    """
    if not (isinstance(model, Factorises) and isinstance(model, Completes) and model.domain.discrete):
        raise ChainruleError(
            f"redraw: expected a model of levels with one factorisation, got {model.name} of {model.domain}"
        )
    if not 0 <= d < model.domain.size:
        raise ChainruleError(f"d: expected a variable in 0 … {model.domain.size - 1}, got {d}")
    variables = model.ordering.flatten(model.here(model.domain.check(x))).clone()
    variables[:, d] = value
    known = torch.arange(model.domain.size, device=variables.device) <= d
    whole, mask = (model.ordering.unflatten(part) for part in (variables, known[None]))
    return model.complete(whole, mask[0], 1, generator, cond=cond, temperature=temperature)[:, 0]
