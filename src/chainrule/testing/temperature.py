"""Law 5: temperature 0 is the mode, 1 the model itself, and the warmer, the less certain."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel
from chainrule.models.base.capabilities import Factorises
from chainrule.testing.distribution import occur_as_often
from chainrule.testing.subject import ANY, LawNotBinding, Subject, close, randomise, require
from chainrule.testing.support import cells

DRAWS = 1_500  # at each temperature
COOL = 0.5  # where samples of levels are counted
RISING = (0.0, 0.2, 1.0, 5.0)  # over which a number must cost more
MIXED = (0.0, 0.3, 1.0)  # over which samples of a model that is no single factorisation must differ more
CALM = 0.3  # the size of its parameters: wild ones leave nothing to the noise


def temperature(subject: Subject) -> None:
    """At 0 a sample is the most probable, at 1 the model's own, and the warmer, the less certain.

    In one factorisation, a level is drawn with probability ∝ p(x_d | x_<d)^(1/T), by a χ² test, and at 0 is the first
    of these; a number costs more nats the warmer it is, given the same numbers before it. Of other models the samples
    differ more: levels have more entropy, and numbers lie further apart.
    """
    model = subject.build(likelihoods=ANY)
    cond = subject.cond(model, 1)
    single = model.factorisation if isinstance(model, Factorises) else None

    def sample(n: int, warmth: float | None, seed: int = 0) -> Tensor:
        options: dict[str, Any] = {} if warmth is None else {"temperature": warmth}
        if single is not None:
            options["runner"] = single  # eager steps, whatever the clock says
        return model.sample(n, _many(cond, n), generator=torch.Generator().manual_seed(seed), **options)

    try:
        sample(1, None)
    except ChainruleError as reason:
        raise LawNotBinding(f"the model draws no samples: {reason}") from reason
    require(close(sample(50, 1.0), sample(50, None), 0), "temperature: 1 is not the model's own")
    if single is None:
        if model.domain.lengths == "ends":
            raise LawNotBinding("the model's warm items may end sooner, and then have less entropy")
        randomise(model, subject.generator(), CALM)
        spread = _entropy if _finite(model.domain) else _distance
        found = [spread(subject, sample(DRAWS, warmth)) for warmth in MIXED]
        require(_rises(found), f"temperature: at {MIXED} samples spread by {found}")
        return
    cold = torch.cat([sample(4, 0.0, seed) for seed in range(4)])
    require(close(cold, cold[:1].expand_as(cold), 0), "temperature: at 0 two samples differ")
    if single.domain.discrete:
        items, _ = subject.support(model)
        values, terms = single.ordering.flatten(items), _terms(single, items, cond)
        likeliest = items[_tempered(values, terms, 0.0) == 0]
        require(
            (cold[0] == likeliest).flatten(1).all(1).any(), "temperature: at 0 a value is not the likeliest"
        )
        masses = _tempered(values, terms, COOL).exp()
        occur_as_often(subject.domain, sample(DRAWS, COOL), items, masses, f"temperature: at {COOL}")
        return
    for d in range(single.domain.size):  # given the same before it: tables mix kinds of conditionals
        costs = [_cost(single, subject.items(1), cond, d, warmth) for warmth in RISING]
        require(_rises(costs), f"temperature: at {RISING} variable {d} costs {costs} nats")


def _many(cond: Tensor | None, n: int) -> Tensor | None:
    """One condition for n items."""
    return None if cond is None else cond.expand(n, *cond.shape[1:])


def _rises(values: list[float]) -> bool:
    return all(warm > cold for cold, warm in pairwise(values))


def _finite(domain: Domain) -> bool:
    """Whether there are finitely many items; the distances of numbers between two ends need not grow."""
    ended = [column.levels or (column.step and None not in column.ends) for column in domain.columns]
    return domain.discrete or (bool(ended) and all(ended))


def _entropy(subject: Subject, drawn: Tensor) -> float:
    """The entropy of the items drawn."""
    shares = cells(subject.domain, drawn).unique(return_counts=True)[1].double() / len(drawn)
    return -(shares * shares.log()).sum().item()


def _distance(subject: Subject, drawn: Tensor) -> float:
    """The mean distance of numbers from their median, over those there are."""
    columns = subject.domain.columns
    numbers = (
        drawn.flatten(1)[:, [not column.categories for column in columns]] if columns else drawn.flatten(1)
    )
    return (numbers - numbers.nanmedian(0).values).abs().nanmean().nan_to_num().item()


def _terms(model: AutoregressiveModel, x: Tensor, cond: Tensor | None) -> Tensor:
    """log p(x_d | x_<d) in generation order (N, D)."""
    with exact_arithmetic(model), torch.no_grad():
        return model.ordering.flatten(model.log_prob(x, _many(cond, len(x)), reduce=False)).double()


def _cost(model: AutoregressiveModel, x: Tensor, cond: Tensor | None, d: int, warmth: float) -> float:
    """The mean nats of variable d drawn at a temperature, given those of x (1, *event_shape) before it."""
    known = model.ordering.unflatten((torch.arange(model.domain.size) < d)[None])[0]
    noise = torch.Generator().manual_seed(d)
    drawn = model.complete(x, known, DRAWS, noise, cond=cond, temperature=warmth)[0]
    return -_terms(model, drawn, cond)[:, d].mean().item()


def _tempered(values: Tensor, terms: Tensor, warmth: float) -> Tensor:
    """log ∏_d p(x_d | x_<d)^(1/T) / Z(x_<d) of all items there are (N,); at T = 0, 0 of those drawn, else -inf.

    Args:
        values: (N, D) in generation order.
        terms: (N, D) log p(x_d | x_<d).
        warmth: T.
    """
    total, prefix = torch.zeros(len(values), dtype=torch.float64), torch.zeros(len(values), dtype=torch.int64)
    for d in range(values.shape[1]):
        longer, place = torch.stack([prefix, values[:, d]], 1).unique(dim=0, return_inverse=True)
        # Items that go on from the same prefix with the same value have the same term.
        term, before = torch.zeros(len(longer)).double().index_copy(0, place, terms[:, d]), longer[:, 0]
        if warmth == 0:
            highest = np.full(len(longer), -np.inf)
            np.maximum.at(highest, before, term)
            logits = torch.where(term >= torch.from_numpy(highest)[before] - 1e-9, 0.0, -torch.inf)
        else:
            powers = (term / warmth).exp()
            logits = (powers / torch.zeros_like(term).index_add(0, before, powers)[before]).log()
        total, prefix = total + logits[place], place
    return total
