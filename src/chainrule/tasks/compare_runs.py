"""Several models on the same items: the differences of their likelihoods, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.bits import is_density
from chainrule.data import Items
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.models.base.capabilities import Bounded
from chainrule.tasks.likelihood import Likelihood, log_probs


@dataclass(frozen=True)
class Beside:
    """One of several models.

    Attributes:
        likelihood: of the items.
        more: nats an item that it takes more than the best one does, on average; 0 for that one.
        more_se: standard error of that mean over items: pairs differ less than items do.
    """

    likelihood: Likelihood
    more: float
    more_se: float


def compare_runs(models: Sequence[Model], items: Sequence[Items], *, samples: int = 1) -> list[Beside]:
    """The likelihood of the same items under several models, and the paired differences to the best.

    Args:
        models: with a likelihood, exact or a bound.
        items: for each of them, as its own codes have them, in the same order.
        samples: of a bound, draws of what is latent in each item.

    Raises:
        ChainruleError: if the items are not equally many, or some models have densities and others probabilities.
    """
    counts = sorted({len(own.x) for own in items})
    if len(counts) > 1:
        raise ChainruleError(
            f"expected the same items for each run, got {' and '.join(map(str, counts))} of them"
        )
    if len({is_density(model.domain) for model in models}) > 1:
        raise ChainruleError("expected runs whose nats compare, got densities beside probabilities")
    found = [
        log_probs(model, own.x, own.cond if model.conditional else None, samples=samples)
        for model, own in zip(models, items, strict=True)
    ]
    best = max(found, key=lambda nats: nats.mean().item())
    beside = []
    for model, own, nats in zip(models, items, found, strict=True):
        more, n = best - nats, len(nats)
        variables = model.counted(own.x).flatten(1).sum(1)
        likelihood = Likelihood.of(
            nats, variables, bound=isinstance(model, Bounded), density=is_density(model.domain)
        )
        error = (more.std() / n**0.5).item() if n > 1 else 0.0
        beside.append(Beside(likelihood, more.mean().item(), error))
    return beside
