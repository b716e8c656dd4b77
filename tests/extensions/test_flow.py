"""A flow transform written outside the library: z = sinh(e^s (asinh y + t)), in couplings and autoregressive layers."""

import pytest
import torch

import chainrule as cr
from chainrule.flows import (
    Autoregressive,
    Chain,
    Coupling,
    Flatten,
    Normal,
    Univariate,
    alternate,
    perceptron,
)
from chainrule.layers import Condition, Real
from chainrule.models.base.flow import Flow
from chainrule.networks.masked_perceptron import MaskedPerceptron
from chainrule.testing import check_model


class SinhArcsinh(Univariate):
    size = 2

    def forward(self, y, params):
        log_tail, shift = torch.tanh(params[..., 0]), torch.tanh(params[..., 1])
        bent = log_tail.exp() * (torch.asinh(y) + shift)
        return bent.sinh(), log_tail + bent.cosh().log() - torch.log1p(y.square()) / 2

    def inverse(self, z, params):
        log_tail, shift = torch.tanh(params[..., 0]), torch.tanh(params[..., 1])
        return torch.sinh(torch.asinh(z) * (-log_tail).exp() - shift)


class Coupled(Flow):
    def __init__(self, domain):
        size = domain.size
        nets = [perceptron(size, [8], 2 * size) for _ in range(2)]
        parts = [Coupling(alternate(size, bool(odd)), nets[odd], univariate=SinhArcsinh()) for odd in (0, 1)]
        super().__init__(domain, Chain(Flatten(domain.event_shape), *parts), Normal())


class Stepwise(Flow):
    def __init__(self, domain):
        size = domain.size
        net = MaskedPerceptron(Real(), 1, size, [8], [2] * size, False, 0.0, 0.0, Condition(0))
        step = Autoregressive(net, size, univariate=SinhArcsinh())
        super().__init__(domain, Chain(Flatten(domain.event_shape), step), Normal())


@pytest.mark.parametrize("family", [Coupled, Stepwise])
def test_a_transform_from_outside(family):
    laws = ["inverts", "counts_volume", "sums_to_one", "samples_match"]
    assert set(check_model(lambda: family(cr.Domain.vector(2)), laws=laws).values()) == {"holds"}
    model = family(cr.Domain.vector(3)).double()
    x = model.sample(5, generator=torch.Generator().manual_seed(0))
    assert model.log_prob(x).isfinite().all()
