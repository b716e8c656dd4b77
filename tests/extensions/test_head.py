"""A head written outside the library: Poisson counts. It is checked, scored, drawn and coded like those within."""

import torch
from torch import nn

import chainrule as cr
from chainrule.domain.column import Column
from chainrule.heads import COUNTS, Conditional, Head
from chainrule.layers import CausalConv1d, Condition, Pointwise, Real, StrictInput
from chainrule.networks import Stack


class PoissonConditional(Conditional):
    def __init__(self, log_rate):
        self.log_rate = log_rate.clamp(-10, 10)

    def log_prob(self, value):
        return value * self.log_rate - self.log_rate.exp() - torch.lgamma(value + 1)

    def masses(self, edges):
        rate = self.log_rate.double().exp()[:, None]
        return torch.where(edges > 0, torch.special.gammaincc(edges.clamp(1).double(), rate), 0.0).diff()

    def draw(self, u):
        low, high = torch.zeros_like(u), torch.full_like(u, 2.0**40)
        while (low < high).any():  # the first number whose distribution function is above u
            middle = ((low + high) / 2).floor()
            above = self.masses(torch.stack([torch.zeros_like(u), middle + 1], 1))[:, 0] > u
            low, high = torch.where(above, low, middle + 1), torch.where(above, middle, high)
        return low


class Poisson(Head):
    variables, size, support = 1, 1, COUNTS

    def log_prob(self, params, x):
        return PoissonConditional(params).log_prob(x)

    def step(self, prev, state, v):
        return PoissonConditional(state[:, 0]), state


class Counts(cr.AutoregressiveModel):
    def __init__(self, domain):
        first, body = CausalConv1d(1, 8, kernel_size=3), Pointwise(nn.Linear(8, 1))
        super().__init__(Stack(StrictInput(Real()), first, body, Condition(8)), domain, Poisson())

    def prepare(self, x): ...  # counts stay counts


def test_a_head_from_outside(caplog):
    cr.testing.check_head(Poisson())
    torch.manual_seed(0)
    model = Counts(cr.Domain.table([Column(name, "integer") for name in "abc"]))
    x = model.sample(200, generator=torch.Generator().manual_seed(0))
    assert x.min() == 0 and x.max() > 1
    expected = torch.distributions.Poisson(model(x).exp()[..., 0].double()).log_prob(x)
    assert torch.allclose(model.log_prob(x), expected.sum(1), atol=1e-4)
    # Its masses use an incomplete gamma function, which is not portable.
    assert torch.equal(cr.decompress(model, cr.compress(model, x)), x)
    assert "for this kind of machine and these versions alone: a step uses igammac" in caplog.text
