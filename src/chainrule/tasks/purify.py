"""PixelDefend: an item → the likeliest one near it, variable by variable."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor

from chainrule.engine import Runner, Within, exact_arithmetic
from chainrule.errors import ChainruleError, DomainError
from chainrule.models import Model


def purify(
    model: Model,
    x: Tensor,
    epsilon: int,
    *,
    cond: Tensor | int | None = None,
    batch_size: int = 256,
    runner: Runner | None = None,
) -> Tensor:
    """Give each variable, in generation order, its most probable level at most `epsilon` levels from what it was.

    Each purified variable conditions those after it, in the one rollout that a sample costs. What comes out is a
    greedy choice, not always the likeliest item within epsilon. The paper leaves alone an item whose p-value
    (`score`) is not low.

    Args:
        model: of levels; of a mixture, its first factorisation decides.
        x: (B, *event_shape).
        epsilon: levels, from 0, which changes nothing.
        cond: one per item, or one for all.
        batch_size: items at once.
        runner: what executes the steps.

    Returns:
        (B, *event_shape) integers, on the CPU.

    Raises:
        DomainError: if x does not lie in the domain, or this is one of reals, or of items that differ in length.
        ChainruleError: if epsilon is not a whole number ≥ 0.

    References:
        Song, Kim, Nowozin, Ermon, Kushman (2018), "PixelDefend: leveraging generative models to understand and defend
        against adversarial examples", https://arxiv.org/abs/1710.10766, algorithm 1.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("made", cr.Domain.categorical(3, levels=9))
        >>> x = torch.tensor([[0, 4, 8]])
        >>> (purify(model, x, 2) - x).abs().max() <= 2
        tensor(True)
    """
    domain, factorisation = model.domain, model.factorisation
    if not domain.discrete or domain.lengths != "fixed":
        raise DomainError(f"purify: expected levels, in items of one length, got {domain}")
    if isinstance(epsilon, bool) or not isinstance(epsilon, Integral) or epsilon < 0:
        raise ChainruleError(f"epsilon: expected a number of levels, an integer ≥ 0, got {epsilon!r}")
    conds = factorisation.expand_cond(cond, len(x))
    parts = [torch.empty(0, *domain.event_shape, dtype=torch.int64)]
    with exact_arithmetic(model):
        for rows in torch.arange(len(x)).split(batch_size):
            own = domain.check(x[rows.to(x.device)].to(model.device))
            sites = factorisation.to_sites(own).flatten(1).long()
            top = factorisation.ordering.flatten(_top_levels(model)[None])
            rule = Within((sites - epsilon).clamp(min=0), torch.minimum(sites + epsilon, top))
            chosen = None if conds is None else conds[rows.to(conds.device)]
            parts.append(factorisation.draw(rule, len(rows), chosen, runner=runner).cpu())
    return torch.cat(parts)


def _top_levels(model: Model) -> Tensor:
    """The last level of each variable, (*event_shape)."""
    levels = torch.tensor(model.domain.levels_per_variable, device=model.device)
    return levels.reshape(model.domain.event_shape) - 1
