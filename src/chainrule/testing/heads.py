"""`check_head`: the laws of a head."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from chainrule.heads import Head
from chainrule.testing.subject import close, require, under


def check_head(head: Head) -> None:
    """Prove a head: its site sums or integrates to 1, its steps are its log_prob, its draws match its table.

    Tried with ordinary, with all-zero and with extreme parameters, in float64 and float32.

    Raises:
        LawViolation: naming what does not hold.
    """
    head = head.double()
    generator = torch.Generator().manual_seed(0)
    for scale in (0.0, 1.0, 50.0):
        params = torch.randn(4, head.size, generator=generator, dtype=torch.float64) * scale
        with under(f"check_head({type(head).__name__})"):
            if head.levels is None:
                _integrates(head, params.clamp(-3, 3))
            else:
                _sums_to_one(head, params)
            _steps_are_log_prob(head, params)
            _quantiles_match(head, params[:1].clamp(-3, 3))
            _is_finite(head, params.float())


def _sites(head: Head) -> Tensor:
    return torch.tensor(list(itertools.product(range(head.levels), repeat=head.variables)))


def _sums_to_one(head: Head, params: Tensor) -> None:
    sites = _sites(head)
    terms = head.log_prob(params[:, None].expand(-1, len(sites), -1), sites.expand(len(params), -1, -1))
    total = terms.sum(-1).exp().sum(-1)
    require(close(total, torch.ones_like(total), 1e-10), f"the site's probabilities sum to {total.tolist()}")


def _integrates(head: Head, params: Tensor) -> None:
    require(head.variables == 1, "only heads of one real variable are integrated here")
    grid = torch.linspace(-400, 400, 800_001, dtype=torch.float64)[:, None]
    for row in params:
        total = head.log_prob(row.expand(len(grid), -1), grid).exp().sum().item() * 1e-3
        require(abs(total - 1) < 1e-6, f"the density integrates to {total}")


def _draw(head: Head, params: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Through the variables of a site at quantiles u (B, V): values and terms (B, V)."""
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


def _quantiles_match(head: Head, params: Tensor) -> None:
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
        density_at_median = head.log_prob(many, values).exp()[n // 2, 0].item()
        rise = 2 / n / (values[n // 2 + 1] - values[n // 2 - 1]).item()
        require(abs(rise / density_at_median - 1) < 1e-3, "quantiles do not rise as the density says")
        return
    sites = _sites(head)
    probs = head.log_prob(params.expand(len(sites), -1), sites).sum(-1).exp()
    counts = torch.stack([(values == site).all(1).sum() for site in sites]) / n
    require(
        ((counts - probs).abs() <= slack).all(),
        "quantiles of even noise do not occur as often as log_prob says",
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
