"""`check_head`: the laws of a head."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from chainrule.heads import BinnedMixture, Conditional, Head, MaybeMissing
from chainrule.testing.subject import close, require, under

RISING = (0.0, 0.2, 1.0, 5.0)  # temperatures


def check_head(head: Head) -> None:
    """Prove a head: its site sums or integrates to 1, its steps are its log_prob, its draws match its table.

    At temperature 0 its conditionals give the most probable value; at T levels are drawn ∝ p^(1/T), and numbers cost
    more the warmer it is. Tried with ordinary, with all-zero and with extreme parameters, in float64 and float32.

    Raises:
        LawViolation: naming what does not hold.
    """
    head = head.double()
    generator = torch.Generator().manual_seed(0)
    for scale in (0.0, 1.0, 50.0):
        params = torch.randn(4, head.size, generator=generator, dtype=torch.float64) * scale
        with under(f"check_head({type(head).__name__})"):
            if head.levels is None:
                # The grid is fine enough for narrow peaks that are smooth; a Laplace has a cusp.
                reach = 1 if getattr(head, "kernel", "") == "laplace" else 3
                _integrates(head, params.clamp(-reach, reach))
            else:
                _sums_to_one(head, params)
            _steps_are_log_prob(head, params)
            _draws_match(head, params[:1].clamp(-1, 1))
            _is_finite(head, params.float())
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


def _axis(head: Head) -> tuple[Tensor, Tensor]:
    """The values of one number, and their weights: a grid, whole multiples of a width, and NaN."""
    if isinstance(head, MaybeMissing):
        values, weights = _axis(head.head)
        return torch.cat([values, torch.tensor([torch.nan])]), torch.cat([weights, torch.ones(1)])
    if isinstance(head, BinnedMixture):
        values = torch.arange(-400, 401, dtype=torch.float64) * head.width
        return values, torch.ones_like(values)
    values = torch.linspace(-400, 400, 800_001, dtype=torch.float64)
    return values, torch.full_like(values, 1e-3)


def _integrates(head: Head, params: Tensor) -> None:
    require(head.variables == 1, "only heads of one number are integrated here")
    values, weights = _axis(head)
    for row in params:
        total = (
            (head.log_prob(row.expand(len(values), -1), values[:, None])[:, 0].exp() * weights).sum().item()
        )
        require(abs(total - 1) < 1e-6, f"the density integrates to {total}")


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
        axis, weights = _axis(head)
        mass = head.log_prob(params.expand(len(axis), -1), axis[:, None])[:, 0].exp() * weights
        missing = values.isnan().double().mean() - mass[axis.isnan()].sum()
        require(missing.abs() < slack, "draws are not missing as often as log_prob says")
        for point in (-2.013, -0.713, 0.017, 0.487, 1.513):
            below = (values < point).double().mean() - mass[axis < point].sum()
            require(below.abs() < slack + 1e-3, f"draws are not below {point} as often as log_prob says")
        return
    sites = _sites(head)
    probs = head.log_prob(params.expand(len(sites), -1), sites).sum(-1).exp()
    counts = torch.stack([(values == site).all(1).sum() for site in sites]) / n
    require(
        ((counts - probs).abs() <= slack).all(),
        "draws of even noise do not occur as often as log_prob says",
    )


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
    missing = torch.full_like(u, torch.nan)
    if isinstance(head, MaybeMissing):
        odds = conditional.log_prob(missing)[0].expm1().neg().reciprocal() - 1
        shares = torch.stack([conditional.tempered(t).draw(u).isnan().double().mean() for t in RISING[1:]])
        expected = odds ** (1 / torch.tensor(RISING[1:]))
        require(close(shares, expected / (1 + expected), 2 / len(u)), "values are not missing ∝ p^(1/T)")
    there, draws = conditional.present(), [conditional.present().mode()]
    draws += [there.tempered(warmth).draw(u) for warmth in RISING[1:]]
    costs = [-there.log_prob(drawn).mean().item() for drawn in draws]
    require(costs == sorted(set(costs)), f"at temperatures {RISING} draws cost {costs} nats")
    for warmth in RISING[1:]:
        warm, x = there.tempered(warmth), draws[-1]
        # One component is tempered exactly, of most kernels; a mixture of several or of bins only nearly.
        alone = getattr(head, "components", 1) == 1 and getattr(head, "kernel", "") != "logistic"
        if warmth == 1 or (alone and not isinstance(head, MaybeMissing)):
            ratio = warm.log_prob(x) - there.log_prob(x) / warmth
            require(
                close(ratio, ratio[:1].expand_as(ratio), 1e-9), f"at {warmth} the density is not ∝ p^(1/T)"
            )


def _is_finite(head: Head, params: Tensor) -> None:
    """At the edges of the range, float32 values and gradients are finite."""
    edges = [0, head.levels - 1] if head.levels is not None else [0.0, 1e6, -1e6]
    for edge in edges:
        x = torch.full(
            (len(params), head.variables), edge, dtype=torch.int64 if head.levels else torch.float32
        )
        leaf = params.clone().requires_grad_()
        terms = head.float().log_prob(leaf, x)
        (gradient,) = torch.autograd.grad(terms.sum(), leaf)
        require(
            torch.isfinite(terms).all() and torch.isfinite(gradient).all(), f"not finite at the edge {edge}"
        )
    head.double()
