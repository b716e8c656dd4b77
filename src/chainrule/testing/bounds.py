"""Laws of models that know their likelihood as a bound."""

from __future__ import annotations

import math

import torch

from chainrule.engine import exact_arithmetic
from chainrule.models.base.capabilities import Bounded
from chainrule.testing.subject import LawNotBinding, Subject, require
from chainrule.testing.support import cells

DRAWS = 400  # of what is latent, in each item
AT_ONCE = 40  # of these
TIGHTER = 20  # of these in one bound
SAMPLES = 4_000
ERRORS = 5.0  # standard errors, at a fixed seed


def bounds(subject: Subject) -> None:
    """exp(log_prob_bound) has a mean of p(x) at most: they sum to 1 at most, and samples are no rarer than they say.

    A bound that omits the latent's density, or a Jacobian, exceeds it somewhere. With more draws of the latent it
    lies higher than the mean of single ones.
    """
    # The errors of draws hide those of single precision, in which convolutions are many times faster.
    model = subject.build(torch.float32, likelihoods=(Bounded,))
    if not model.domain.discrete:
        raise LawNotBinding("the model is of reals, which cannot be counted")
    items, _ = subject.support(model)
    generator = subject.generator()
    with exact_arithmetic(model):
        many = items.repeat(AT_ONCE, *[1] * (items.ndim - 1))
        parts = [model.log_prob_bound(many, generator=generator) for _ in range(DRAWS // AT_ONCE)]
        each = torch.cat(parts).unflatten(0, (DRAWS, len(items)))
        tighter = model.log_prob_bound(items, samples=TIGHTER, generator=generator)
    weights = each.exp()
    total, mean = weights.sum(1), weights.mean(0)
    error = (total.std() / DRAWS**0.5).item()
    require(
        total.mean() <= 1 + ERRORS * error + 1e-9,
        f"bounds: Σ exp(bound) = {total.mean():.4f} ± {error:.4f}, over 1",
    )
    together = (each.unflatten(0, (-1, TIGHTER)).logsumexp(1) - math.log(TIGHTER)).mean(1)
    require(
        (tighter.mean() - together.mean()).abs() <= ERRORS * together.std() + 1e-9,
        f"bounds: {TIGHTER} draws give {tighter.mean():.4f} nats, the mean of single ones is {together.mean():.4f}",
    )
    drawn = model.sample(SAMPLES, generator=subject.generator())
    places = torch.cat([cells(subject.domain, items), cells(subject.domain, drawn)]).unique(
        return_inverse=True
    )[1]
    seen = torch.bincount(places[len(items) :], minlength=len(items)).double()[places[: len(items)]] / SAMPLES
    spread = (weights.var(0) / DRAWS + mean.clamp(max=1) / SAMPLES).sqrt()
    excess = ((mean - seen) / (spread + 1 / SAMPLES)).max().item()
    require(
        excess <= ERRORS, f"bounds: an item is {excess:.1f} standard errors rarer in samples than its bound"
    )
