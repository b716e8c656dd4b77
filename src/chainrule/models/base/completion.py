"""Draw the unknown variables of an item given its known ones."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.engine import Choice, Known, Sample, branch, choose_particle, draw_noise
from chainrule.errors import ChainruleError
from chainrule.models.parts.constraints import known_part

if TYPE_CHECKING:
    from chainrule.models.base.autoregressive import AutoregressiveModel


class ApproximateCompletionWarning(UserWarning):
    """Known variables that come after unknown ones in the ordering cannot inform them."""


def check_count(expected: str, value: Any, least: int) -> None:
    """Refuse anything but a whole number of at least `least`.

    Raises:
        ChainruleError: beginning with `expected`.
    """
    if not isinstance(value, Integral) or value < least:
        raise ChainruleError(f"{expected} ≥ {least}, got {value!r}")


def force(
    model: AutoregressiveModel, x: Tensor, known: Tensor, rule: Choice, cond: Tensor | None
) -> tuple[Tensor, Tensor]:
    """One pass in which known values are kept and others chosen by the rule.

    Args:
        model: gives the conditionals.
        x: (B, *event_shape), in the domain.
        known: booleans (B, *event_shape).
        rule: for what is unknown.
        cond: one per item.

    Returns:
        The items (B, *event_shape), and Σ_{known} log p(x_d | what came before) (B,) nats.
    """
    mask = model.ordering.flatten(known)
    drawn = model.rollout(
        Known(model.readable(model.to_sites(x)).flatten(1), mask, rule), len(x), cond, score=True
    )
    weights = torch.where(mask, drawn.log_prob.flatten(1), 0.0).sum(-1)
    values = model.from_sites(drawn.values)
    return model.domain.canonicalise(torch.where(known, x.to(values.dtype), values)), weights


def draw_unknown(
    model: AutoregressiveModel,
    x: Tensor,
    known: Tensor,
    n: int,
    generator: torch.Generator | None,
    *,
    cond: Tensor | int | None,
    particles: int = 1,
    runner: Any = None,
    noise: Tensor | None = None,
    **choice: Any,
) -> Tensor:
    """`AutoregressiveModel.complete`, which says what the other arguments are.

    Args:
        noise: uniform (B · n, D), of the first candidate of each draw; from the generator by default.
    """
    check_count("n: expected a number of draws", n, 1)
    check_count("particles: expected an integer", particles, 1)
    x, known = known_part(model.domain, x, known)
    sites, mask = model.readable(model.to_sites(x)), model.ordering.flatten(known)
    leading = mask.long().cumprod(1).bool()
    prefix = int(leading.sum(1).min()) // model.head.variables if len(x) else 0
    trailing = mask & ~leading
    if not trailing.any():  # nothing to weigh candidates by
        particles = 1
    if particles == 1 and trailing.any():
        warnings.warn(
            "known variables follow unknown ones in the ordering: they are kept, but the unknown ones "
            "before them are not conditioned on them; particles=64, say, takes them into account",
            ApproximateCompletionWarning,
            stacklevel=3,
        )
    batch, rows = len(x), n * particles
    others = branch(generator)
    if noise is None:
        noise = draw_noise(batch * n, model.domain.size, generator).to(model.device)
    if particles > 1:  # of the other candidates, and numbers that choose among them
        more = draw_noise(batch * n, particles + (particles - 1) * model.domain.size, others).to(model.device)
        chance = more[:, :particles].reshape(batch, n, particles)
        noise = torch.cat([noise, more[:, particles:]], dim=1).reshape(batch * rows, -1)
    rule = Known(
        sites.flatten(1).repeat_interleave(rows, 0),
        mask.repeat_interleave(rows, 0),
        Sample(noise, **choice, present=True),
    )
    cond = model.expand_cond(cond, batch)
    seen, scored = sites[:, :prefix], particles > 1
    drawn = model.rollout(rule, batch, cond, prefix=seen, copies=rows, runner=runner, score=scored)
    values = model.from_sites(drawn.values).flatten(1).unflatten(0, (batch, n, particles))
    if scored:
        terms = drawn.log_prob.flatten(1).unflatten(0, (batch, rows))
        weights = torch.where(trailing[:, None], terms, 0.0).sum(-1).unflatten(1, (n, particles))
        chosen = choose_particle(weights, chance)
        chosen = torch.where(trailing.any(1)[:, None, None], chosen, 0)  # else as if it were alone
        values = values.take_along_dim(chosen[..., None], dim=2)
    values = values[:, :, 0].unflatten(2, model.domain.event_shape)
    whole = torch.where(known[:, None], x[:, None].to(values.dtype), values)
    return model.domain.canonicalise(whole.flatten(0, 1)).unflatten(0, (batch, n))
