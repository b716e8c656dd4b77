"""`check_head`: the laws of a head."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from chainrule.heads import Conditional, Head, Support
from chainrule.testing.numbers import numbers
from chainrule.testing.subject import close, require, under

RISING = (0.0, 0.2, 1.0, 5.0)  # temperatures
EXTREME = 1e6
QUANTILES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)


def check_head(head: Head) -> None:
    """Prove a head: over its support a site sums or integrates to 1, its steps are its log_prob, its draws match it.

    Levels are summed over; so are counts, with a geometric bound of the tail; densities are integrated. What the
    conditionals offer besides is held to it: at temperature 0 they give the most probable value; at T levels are drawn
    ∝ p^(1/T), and numbers cost more the warmer it is; `table` and `masses`, which coders read, are those of `log_prob`.
    Tried with ordinary, with all-zero and with extreme parameters, in float64 and float32.

    Raises:
        LawViolation: naming what does not hold.
        LawNotTried: if a tail falls too slowly to be summed.
    """
    head = head.double()
    generator = torch.Generator().manual_seed(0)
    for scale in (0.0, 1.0, 50.0):
        params = torch.randn(4, head.size, generator=generator, dtype=torch.float64) * scale
        with under(f"check_head({type(head).__name__})"):
            if head.levels is None:
                _numbers_sum_to_one(head, params)
            else:
                _sums_to_one(head, params)
            _steps_are_log_prob(head, params)
            _draws_match(head, params[:1].clamp(-1, 1))
            _is_finite(head, params.float())
            _can_be_coded(head, params[:1].clamp(-1, 1))
            if scale == 1.0:
                for row in params:
                    _tempers(head, row)


def _sites(head: Head) -> Tensor:
    return torch.tensor(list(itertools.product(range(head.levels), repeat=head.variables)))


def _sums_to_one(head: Head, params: Tensor) -> None:
    sites = _sites(head)
    terms = head.log_prob(params[:, None].expand(-1, len(sites), -1), sites.expand(len(params), -1, -1))
    total = terms.sum(-1).exp().sum(-1)
    require(close(total, torch.ones_like(total), 1e-10), f"the site's probabilities sum to {total.tolist()}")


def _numbers_sum_to_one(head: Head, params: Tensor) -> None:
    require(head.variables == 1, "only heads of one number are integrated here")
    support = head.support
    bounded = math.isfinite(support.lowest) and math.isfinite(support.highest)
    # Near a finite end a float64 cannot tell how much lies between it and the last value.
    reach, axis = 1.0 if bounded else 3.0, numbers(support)
    for row in params.detach().clamp(-reach, reach):
        total = float(sum(part.detach().sum() for part in axis.masses(head, row)))
        require(abs(total - 1) < 1e-6, f"over {support} it sums or integrates to {total}")


def _draw(head: Head, params: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Through the variables of a site with noise u (B, V): values and terms (B, V)."""
    state, value = head.init_state(params), None
    values, terms = [], []
    for v in range(head.variables):
        conditional, state = head.step(value, state, v)
        value = conditional.draw(u[:, v])
        values.append(value)
        terms.append(conditional.log_prob(value))
    return torch.stack(values, 1), torch.stack(terms, 1)


def _steps_are_log_prob(head: Head, params: Tensor) -> None:
    u = torch.rand(
        len(params), head.variables, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    values, terms = _draw(head, params, u)
    require(close(terms, head.log_prob(params, values), 1e-10), "the steps of a site and log_prob differ")


def _draws_match(head: Head, params: Tensor) -> None:
    """A fine, even comb of u must give each value as often as its probability."""
    if head.variables > 1:
        n = 50_000
        u = torch.rand(n, head.variables, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        slack = 4 / n**0.5
    else:
        n = 10_000
        u = (torch.arange(n, dtype=torch.float64)[:, None] + 0.5) / n
        slack = 2 / n
    many = params.expand(n, -1)
    values, _ = _draw(head, many, u)
    if head.levels is None:
        _numbers_match(head, params[0], values[:, 0], slack)
        return
    sites = _sites(head)
    probs = head.log_prob(params.expand(len(sites), -1), sites).sum(-1).exp()
    counts = torch.stack([(values == site).all(1).sum() for site in sites]) / n
    require(
        ((counts - probs).abs() <= slack).all(),
        "draws of even noise do not occur as often as log_prob says",
    )


def _numbers_match(head: Head, row: Tensor, drawn: Tensor, slack: float) -> None:
    """Draws are as often at each point, and below each of some quantiles, as log_prob (P,) says."""
    axis = numbers(head.support)
    masses, points, beyond = axis.masses(head, row)
    for point, mass in zip(axis.points, points, strict=True):
        here = drawn.isnan() if point.isnan() else drawn == point
        require(
            (here.double().mean() - mass).abs() < slack, f"draws are not {point} as often as log_prob says"
        )
        drawn = torch.where(here, torch.nan, drawn)  # counted
    below = masses.cumsum(0) + beyond[0]
    places = torch.searchsorted(below, below[-1] * torch.tensor(QUANTILES, dtype=below.dtype))
    for place in places.clamp(max=len(below) - 2).tolist():
        edge = axis.values[place : place + 2].mean()
        share = (drawn < edge).double().mean()
        require(
            (share - below[place]).abs() < slack + 1e-3,
            f"draws are not below {edge:.4g} as often as log_prob says",
        )


def _can_be_coded(head: Head, params: Tensor) -> None:
    """A coder's table, and the masses of whole numbers, are those of `log_prob`."""
    state, value = head.init_state(params), None
    for v in range(head.variables):
        conditional, state = head.step(value, state, v)
        there, levels = conditional.present(), conditional.levels
        if levels is not None:
            each = torch.arange(levels)
            own = torch.stack([conditional.log_prob(level.expand(1)).exp() for level in each[:64]], 1)
            require(
                close(conditional.table()[:, :64], own, 1e-9), "the table for coders differs from log_prob"
            )
        elif head.support.step is not None and _offers(there, "masses"):
            low, high = (int(end) if math.isfinite(end) else far for end, far in _ends(head.support))
            edges = torch.tensor([[low, *range(max(low, -20), min(high, 20) + 1), high + 1]])
            masses, whole = there.masses(edges), edges[:, 1:-1] * head.support.step
            own = torch.stack([there.log_prob(number).exp() for number in whole.double().unbind(1)], 1)
            require(close(masses[:, 1:-1], own[:, :-1], 1e-9), "the masses for coders differ from log_prob")
            require((masses.sum(1) - 1).abs().max() < 1e-6, "the masses for coders do not sum to 1")
        value = conditional.draw(torch.full((1,), 0.3, dtype=torch.float64))


def _ends(support: Support) -> tuple[tuple[float, int], tuple[float, int]]:
    return (support.lowest, -(2**40)), (support.highest, 2**40)


def _offers(conditional: Conditional, verb: str) -> bool:
    """Whether a conditional has a verb of its own, in place of the one that refuses."""
    return getattr(type(conditional), verb) is not getattr(Conditional, verb)


def _tempers(head: Head, row: Tensor) -> None:
    """Each variable of one site (P,), given those before it, at several temperatures."""
    u = (torch.arange(4001, dtype=torch.float64) + 0.5) / 4001
    state, value = head.init_state(row.expand(len(u), -1)), None
    for v in range(head.variables):
        conditional, state = head.step(value, state, v)
        if head.levels is None:
            _numbers_temper(head, conditional, u)
        else:
            _levels_temper(head.levels, conditional, u)
        value = conditional.draw(torch.full_like(u, 0.3))


def _levels_temper(levels: int, conditional: Conditional, u: Tensor) -> None:
    each = torch.arange(len(u)) % levels
    table = conditional.log_prob(each)[:levels]
    require((table[conditional.mode()] == table.max()).all(), "the mode is not the most probable level")
    for warmth in RISING[1:]:
        warm, expected = conditional.tempered(warmth), torch.log_softmax(table / warmth, 0)
        require(close(warm.log_prob(each)[:levels], expected, 1e-9), f"at {warmth} log_prob is not ∝ p^(1/T)")
        shares = torch.bincount(warm.draw(u), minlength=levels) / len(u)
        require(close(shares, expected.exp(), 2 / len(u)), f"at {warmth} draws are not ∝ p^(1/T)")


def _numbers_temper(head: Head, conditional: Conditional, u: Tensor) -> None:
    p, there = conditional.missing(), conditional.present()
    if p is not None:
        odds = p[0] / (1 - p[0])
        shares = torch.stack([conditional.tempered(t).draw(u).isnan().double().mean() for t in RISING[1:]])
        expected = odds ** (1 / torch.tensor(RISING[1:]))
        require(close(shares, expected / (1 + expected), 2 / len(u)), "values are not missing ∝ p^(1/T)")
    draws = [there.mode()] if _offers(there, "mode") else []
    draws += (
        [there.tempered(warmth).draw(u) for warmth in RISING[1:]]
        if _offers(there, "tempered")
        else [there.draw(u)]
    )
    costs = [-there.log_prob(drawn).mean().item() for drawn in draws]
    require(
        costs == sorted(set(costs)), f"the warmer of {RISING}, the more draws must cost; got {costs} nats"
    )
    if not _offers(there, "tempered"):
        return
    for warmth in RISING[1:]:
        warm, x = there.tempered(warmth), draws[-1]
        # One component is tempered exactly, of most kernels; a mixture of several or of bins only nearly.
        alone = getattr(head, "components", 1) == 1 and getattr(head, "kernel", "") != "logistic"
        if warmth == 1 or (alone and p is None and head.support.step is None):
            ratio = warm.log_prob(x) - there.log_prob(x) / warmth
            require(
                close(ratio, ratio[:1].expand_as(ratio), 1e-9), f"at {warmth} the density is not ∝ p^(1/T)"
            )


def _edges(support: Support) -> list[float]:
    """Values at the rim of a support, those of no end far out, and its points."""
    low, high = support.lowest, support.highest
    lowest, highest = max(low, -EXTREME), min(high, EXTREME)
    if support.step is not None:
        return [lowest, highest, *support.points]
    inside, middle = 1e-6 * min(highest - lowest, 1.0), (lowest + highest) / 2
    return [lowest + inside * (low == lowest), middle, highest - inside * (high == highest), *support.points]


def _is_finite(head: Head, params: Tensor) -> None:
    """At the edges of the range, float32 values and gradients are finite."""
    for edge in _edges(head.support):
        kind = torch.int64 if head.levels is not None else torch.float32
        x = torch.full((len(params), head.variables), edge).to(kind)
        leaf = params.clone().requires_grad_()
        terms = head.float().log_prob(leaf, x)
        (gradient,) = torch.autograd.grad(terms.sum(), leaf)
        require(
            torch.isfinite(terms).all() and torch.isfinite(gradient).all(), f"not finite at the edge {edge}"
        )
    head.double()
