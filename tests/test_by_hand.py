"""Gradients written by hand: those of torch's functions, of first and second order, in either order of memory."""

import pytest
import torch
from torch.nn import functional as F

import chainrule as cr
from chainrule.flows import Spline, Standardise
from chainrule.layers import Condition, MaskedLinear, asinh, masked_product
from chainrule.layers.encoding import Real
from chainrule.networks.masked_perceptron import MaskedPerceptron
from chainrule.networks.sigmoid_scan import SigmoidScan, _plain


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def check(function, *inputs):
    """First and second derivatives, by finite differences."""
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def by_feature(t):
    """The same numbers, feature by feature in memory."""
    return t.T.contiguous().T


def test_asinh():
    x = torch.tensor([-1e30, -3.0, -1e-9, 0.0, 1e-4, 0.7, 1e6, 1e38])
    assert torch.allclose(asinh.asinh(x), torch.asinh(x.double()).float(), rtol=3e-7, atol=0)
    check(asinh.asinh, normal(5))


@pytest.mark.parametrize("order", [torch.clone, by_feature])
def test_standardise(order):
    y, params = normal(3, 4), normal(3, 4, 2, seed=1)
    check(lambda y, params: Standardise()(order(y), params), y, params)
    z, log_slope = Standardise()(order(y), params)
    sigma = (3 * torch.tanh(params[..., 1] / 3)).exp()
    assert torch.allclose(z, (y - params[..., 0]) / sigma) and torch.allclose(log_slope, -sigma.log())


def test_spline_knots_are_a_softmax():
    raw = normal(3, 5)
    expected = 2.0 * (2 * F.pad(torch.softmax(torch.tanh(raw), -1).cumsum(-1), (1, 0)) - 1)
    assert torch.allclose(Spline(5, 2.0)._knots(raw), expected)


@pytest.mark.parametrize("bias", [True, False])
def test_a_masked_linear_map_in_blocks(bias, monkeypatch):
    monkeypatch.setattr(masked_product, "BLOCK", 12)
    mask = torch.arange(6)[:, None] > torch.tensor([0, 0, 1, 3, 4, 5, 5])
    layer = MaskedLinear(mask, bias).double()
    assert [tuple(block) for block in layer.blocks] == [(0, 1, 0), (1, 3, 3), (3, 4, 3), (4, 6, 5)]
    parameters = dict(layer.named_parameters())

    def run(x, *values):
        return torch.func.functional_call(layer, dict(zip(parameters, values, strict=True)), (x,))

    x = normal(2, 3, 7)
    assert torch.allclose(layer(x), F.linear(x, layer.weight * mask, layer.bias))
    check(run, x, *parameters.values())


@pytest.mark.parametrize("order", [torch.clone, by_feature])
@pytest.mark.parametrize(("residual", "classes", "block"), [(True, None, 1 << 16), (False, 3, 8)])
def test_a_perceptron_in_one_piece(order, residual, classes, block, monkeypatch):
    monkeypatch.setattr(masked_product, "BLOCK", block)
    torch.manual_seed(0)
    condition = Condition(6, classes=classes)
    net = MaskedPerceptron(Real(), 1, 4, (6, 6), [2] * 4, residual, 0.0, 0.0, condition).double()
    for parameter in net.parameters():  # away from the kink that units without inputs would lie at
        torch.nn.init.normal_(parameter)
    parameters = dict(net.named_parameters())
    cond = None if classes is None else torch.tensor([0, 2, 1])

    def run(x, *values):
        given = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(net, given, (order(x)[..., None], cond))

    x = normal(3, 4)
    codes = torch.asinh(x)[..., None]
    expected = net._apart(net._pass(codes, net.condition(cond, 3))[0])
    assert torch.allclose(run(x, *parameters.values()), expected, atol=1e-12)
    check(run, x, *parameters.values())


def test_what_lies_feature_by_feature_stays_so():
    net = MaskedPerceptron(Real(), 1, 4, (6, 6), [2] * 4, True, 0.0, 0.0, Condition(0))
    assert net(by_feature(torch.randn(3, 4))[..., None]).stride() == (1, 6, 3)
    assert net(torch.randn(3, 4)[..., None]).stride() == (8, 2, 1)


@pytest.mark.parametrize(("channels", "size"), [(1, 1), (2, 3)])
def test_the_scan_of_nade(channels, size):
    length = 9  # a tile and one
    inputs = (
        normal(length, 2, channels),
        normal(2, 3, seed=1),
        normal(length, channels, 3, seed=2),
        normal(length, size, 3, seed=3),
    )
    assert torch.allclose(SigmoidScan.apply(*inputs), _plain(*inputs), atol=1e-12)
    check(SigmoidScan.apply, *inputs)


def test_large_numbers_are_finite_though_their_sum_is_not():
    domain, x = cr.Domain.vector(2), torch.full((3, 2), 3e38)
    assert domain.check(x) is x
    with pytest.raises(cr.errors.DomainError, match=r"got inf at index \(1, 0\)"):
        domain.check(x.index_fill(0, torch.tensor([1]), torch.inf))
