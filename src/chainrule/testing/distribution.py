"""Law 1: it is a distribution."""

from __future__ import annotations

from typing import Any

import torch
from scipy.stats import chi2
from torch import Tensor

from chainrule.domain import Domain
from chainrule.engine import exact_arithmetic
from chainrule.errors import ConditionError
from chainrule.models import AutoregressiveModel, Model
from chainrule.testing.contract import nats
from chainrule.testing.subject import SCORED, LawNotBinding, Subject, close, require
from chainrule.testing.support import cells

KINKS = 2e-5  # at most, of an integral on a grid
# Even ones, and where these cannot resolve a density, those that crowd around 0: each with one of half the points.
GRIDS: Any = (({}, {"resolution": 0.5}), ({"resolution": 2.0, "crowded": True}, {"crowded": True}))
P_VALUE = 1e-4  # of the χ² test, at a fixed seed


def causal(subject: Subject) -> None:
    """Replacing later variables by other valid values leaves earlier parameters and terms bitwise unchanged."""
    model, batch = subject.factorised(), 8
    # Given lengths are not drawn: what replaces a step is a step.
    x, other = subject.items(2 * batch, whole=subject.domain.lengths == "given").split(batch)
    cond = subject.cond(model, batch)
    a, b = model.ordering.flatten(x), model.ordering.flatten(other)
    params, terms = _params_and_terms(model, x, cond)
    for d in range(model.domain.size):
        mixed = model.domain.canonicalise(model.ordering.unflatten(torch.cat([a[:, :d], b[:, d:]], dim=1)))
        mixed_params, mixed_terms = _params_and_terms(model, mixed, cond)
        site = d // model.head.variables
        require(
            torch.equal(params[:, : site + 1], mixed_params[:, : site + 1]),
            f"causal: the parameters of a site up to {site} changed when variables from {d} on were replaced",
        )
        require(
            torch.equal(terms[:, :d], mixed_terms[:, :d]),
            f"causal: the terms of variables before {d} changed when variables from {d} on were replaced",
        )


def connected(subject: Subject) -> None:
    """Every connection that `connectivity()` declares is alive, and no other is."""
    model, batch = subject.factorised(), 64
    declared = model.connectivity()
    x, other = subject.items(2 * batch, whole=True).split(batch)
    cond = subject.cond(model, batch)
    a, b = model.ordering.flatten(x), model.ordering.flatten(other)
    _, terms = _params_and_terms(model, x, cond)
    for d in range(model.domain.size):
        changed = a.clone()
        changed[:, d] = b[:, d]
        _, moved = _params_and_terms(model, model.ordering.unflatten(changed), cond)
        alive = (moved != terms).any(0)
        alive[d] = False  # its own term depends on it as the value scored, not as one read
        wrong = (alive != declared[:, d]).nonzero().flatten().tolist()
        require(
            not wrong,
            f"connected: the conditional of variable {wrong[:1]} "
            f"{'reads' if wrong and alive[wrong[0]] else 'does not read'} variable {d}, "
            f"connectivity() declares the opposite",
        )


def sums_to_one(subject: Subject) -> None:
    """Σ_x p(x) = 1: within 1e-10 in float64, 1e-5 in float32; densities integrate to 1 on a grid."""
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        model = subject.build(dtype)
        # One condition for all items: each condition has its own distribution.
        cond = subject.cond(model, 1, dtype)

        def total(model: Model = model, cond: Tensor | None = cond, **grid: Any) -> float:
            return _total(model, *subject.support(model, model.dtype, **grid), cond)

        slack = tolerance
        if subject.domain.discrete:
            found = total()
        else:
            for fine, rough in GRIDS:
                # Half the points are off by more, by what kinks in the density cost; no excuse for more than that.
                found, slack = total(**fine), max(tolerance, 1e-6)
                if abs(found - 1) > slack:
                    slack = max(slack, min(abs(found - total(**rough)) / 2, KINKS))
                if abs(found - 1) <= slack:
                    break
        require(
            abs(found - 1) <= slack,
            f"sums_to_one: Σ p(x) = {found!r} in {dtype}, off by over {slack}",
        )


def samples_match(subject: Subject) -> None:
    """Samples occur with the probability of `log_prob`, by a χ² test at a fixed seed."""
    model, n = subject.build(), 5_000
    cond = subject.cond(model, 1)
    many = None if cond is None else cond.expand(n, *cond.shape[1:])
    drawn = model.sample(n, many, generator=subject.generator())
    items, weights = subject.support(model)
    masses = _log_prob(model, items, cond).exp() * weights
    drawable = ~_others(subject.domain, items)  # the one thing that is scored and never drawn
    items, masses = items[drawable], masses[drawable] / masses[drawable].sum()
    occur_as_often(subject.domain, drawn, items, masses, "samples_match")


def _others(domain: Domain, items: Tensor) -> Tensor:
    """Which items (N,) hold a category that training never saw."""
    found = torch.zeros(len(items), dtype=torch.bool)
    for d, column in enumerate(domain.columns):
        if column.other:
            found |= items[:, d] == len(column.categories)
    return found


def occur_as_often(domain: Domain, drawn: Tensor, items: Tensor, masses: Tensor, law: str) -> None:
    """Require that samples lie in the cells of all items as often as the masses (N,) of these say: a χ² test."""
    places = torch.cat([cells(domain, items), cells(domain, drawn)]).unique(return_inverse=True)[1]
    expected = torch.bincount(places[: len(items)], masses, len(places)) * len(drawn)
    observed = torch.bincount(places[len(items) :], minlength=len(places)).double()
    rare = expected < 5
    pooled = torch.cat([expected[~rare], expected[rare].sum()[None]])
    counts = torch.cat([observed[~rare], observed[rare].sum()[None]])
    kept = pooled > 1e-6
    require(counts[~kept].sum() == 0, f"{law}: items were drawn whose probability is 0")
    statistic = ((counts - pooled)[kept].square() / pooled[kept]).sum().item()
    p = chi2.sf(statistic, max(int(kept.sum()) - 1, 1))
    require(
        p > P_VALUE,
        f"{law}: χ² = {statistic:.1f} over {int(kept.sum())} cells, p = {p:.2g} ≤ {P_VALUE}",
    )


def extreme_inputs(subject: Subject) -> None:
    """The edges of the range, constant items and wild parameters give finite values and gradients."""
    domain = subject.domain
    if domain.columns:
        x = _extreme_rows(domain)
    elif domain.discrete:
        top = torch.tensor(domain.levels_per_variable).reshape(1, *domain.event_shape) - 1
        x = torch.cat([torch.zeros_like(top), top])
    else:
        x = (
            torch.tensor([0.0, 1e6, -1e6, 1e-30])[:, None]
            .expand(4, domain.size)
            .reshape(4, *domain.event_shape)
        )
    for scale in (0.0, 1.0, 30.0):
        model = subject.build(torch.float32, likelihoods=SCORED)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(scale)
        log_prob = -nats(model, x, subject.cond(model, len(x), torch.float32))
        require(
            torch.isfinite(log_prob).all(), f"extreme_inputs: log_prob = {log_prob.tolist()} at scale {scale}"
        )
        if not log_prob.requires_grad:
            continue
        log_prob.sum().backward()
        for name, parameter in model.named_parameters():
            finite = parameter.grad is None or torch.isfinite(parameter.grad).all()
            require(finite, f"extreme_inputs: the gradient of {name} is not finite at scale {scale}")


def conditioned(subject: Subject) -> None:
    """The condition changes the distribution; a model that needs one raises without it, another with it."""
    model, x = subject.build(likelihoods=SCORED), subject.items(16)
    wrong = None if model.conditional else torch.zeros(16, dtype=torch.int64)
    for verb in (lambda: nats(model, x, wrong), lambda: model.sample(2, None if model.conditional else 0)):
        try:
            verb()
        except ConditionError:
            continue
        require(
            False,
            f"conditioned: expected a ConditionError with cond = {wrong if wrong is None else 'labels'}",
        )
    if not model.conditional:
        raise LawNotBinding("the model is unconditional")
    kinds = subject.cond(model, 64)
    assert kinds is not None
    different = kinds[(kinds != kinds[0]).reshape(64, -1).any(1)]
    a, b = (_log_prob(model, x, cond[None]) for cond in (kinds[0], different[0]))
    # In float64: a condition that is not read changes nothing; of small parameters it changes little.
    same = torch.allclose(a, b, rtol=1e-9, atol=1e-9)
    require(not same, "conditioned: two conditions give the same log-likelihoods")
    first, second = (
        model.sample(2000, c.expand(2000, *c.shape), generator=subject.generator())
        for c in (kinds[0], different[0])
    )
    require(not close(first, second, 0), "conditioned: two conditions give the same samples")


def _params_and_terms(model: AutoregressiveModel, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    with exact_arithmetic(model):
        return model(x, cond), model.ordering.flatten(model.log_prob(x, cond, reduce=False))


def _total(model: Model, items: Tensor, weights: Tensor, cond: Tensor | None) -> float:
    """Σ or ∫ p(x)."""
    return (_log_prob(model, items, cond).exp() * weights).sum().item()


def _log_prob(model: Model, x: Tensor, cond: Tensor | None) -> Tensor:
    many = None if cond is None else cond.expand(len(x), *cond.shape[1:])
    with exact_arithmetic(model):
        return -nats(model, x, many)


def _extreme_rows(domain: Domain) -> Tensor:
    """First and last categories, huge, tiny and missing numbers."""
    rows = []
    for column in domain.columns:
        edges = [0.0, 1e6, -1e6, 1.0 if column.kind == "integer" else 1e-30]
        if column.categories:
            edges = [0.0, len(column.categories) - 1.0] * 2
        rows.append([*edges, torch.nan if column.missing else 0.0])
    return torch.tensor(rows, dtype=torch.float64).T.contiguous()
