"""NADE, RNADE and FVSBN against plain loops over variables, written from the papers' equations."""

import math

import pytest
import torch

import chainrule as cr
from chainrule.networks.nade import _Readout
from chainrule.testing.subject import randomise

LENGTH = 19  # over two tiles and a bit


def build(name, domain, **options):
    model = cr.create_model(name, domain, **options).double().eval()
    randomise(model, torch.Generator().manual_seed(0))
    return model


def bits(rows=6):
    return torch.randint(2, (rows, LENGTH), generator=torch.Generator().manual_seed(1))


def reals(rows=6):
    return torch.randn(rows, LENGTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("ordering", ["natural", "random-3"])
def test_nade(ordering):
    """Larochelle & Murray (2011): p(x_o_d = 1 | x_o_<d) = σ(b_o_d + V_o_d h_d), h_d = σ(c + W_o_<d x_o_<d)."""
    model = build("nade", cr.Domain.binary(LENGTH), hidden=7, ordering=ordering)
    net, x = model.network, bits()
    for row in x:
        a, expected = net.bias, 0.0
        for place, d in enumerate(model.ordering.variables.tolist()):
            h = torch.sigmoid(a)
            p = torch.sigmoid(net.out_bias[place, 0] + net.out_weight[place, 0] @ h)
            expected += torch.log(p if row[d] else 1 - p)
            a = a + net.weight[place, 0] * row[d]
        torch.testing.assert_close(model.log_prob(row[None])[0], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_rnade(kernel):
    """Uria, Murray & Larochelle (2013), eq. 3-12, x entering as asinh x: h_d = relu(ρ_d a_d), mixture of K kernels."""
    model = build("rnade", cr.Domain.vector(LENGTH), hidden=7, components=3, kernel=kernel)
    net, x = model.network, reals()
    shift, scale = 0.5, 3.0
    model.units.shift.fill_(shift)
    model.units.scale.fill_(scale)
    for row in x:
        a, expected = net.bias, 0.0
        for d in range(LENGTH):
            h = torch.relu(net.factors[d] * a)
            means, log_scales, logits = (net.out_weight[d] @ h + net.out_bias[d]).split(3)
            means = means + torch.tensor([-1.5, 0.0, 1.5])
            sigmas = log_scales.clamp(-7, 12).exp()
            z = (row[d] - shift) / scale
            if kernel == "gaussian":
                densities = torch.exp(-0.5 * ((z - means) / sigmas) ** 2) / (sigmas * math.sqrt(2 * math.pi))
            else:
                densities = torch.exp(-(z - means).abs() / sigmas) / (2 * sigmas)
            expected += torch.log((torch.softmax(logits, 0) * densities).sum() / scale)
            a = a + net.weight[d, 0] * torch.asinh(z)
        torch.testing.assert_close(model.log_prob(row[None])[0], expected, rtol=0, atol=1e-9)


def test_fvsbn():
    """Frey (1998): x̂_d = σ(α_d0 + Σ_{j<d} α_dj x_j)."""
    model = build("fvsbn", cr.Domain.binary(LENGTH))
    weight, bias = model.network.linear.weight, model.network.linear.bias
    for row in bits():
        expected = 0.0
        for d in range(LENGTH):
            p = torch.sigmoid(bias[d] + sum(weight[d, j] * row[j] for j in range(d)))
            expected += torch.log(p if row[d] else 1 - p)
        torch.testing.assert_close(model.log_prob(row[None])[0], expected, rtol=0, atol=1e-10)


def test_the_factors_of_rnade_start_at_one_over_d():
    model = cr.create_model("rnade", cr.Domain.vector(4))
    torch.testing.assert_close(model.network.factors[:, 0], 1 / torch.arange(1.0, 5.0))


@pytest.mark.parametrize("outputs", [1, 3])
def test_gradient_of_the_readout(outputs):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(4, 5, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(4, outputs, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    torch.testing.assert_close(_Readout.apply(hidden, weight), torch.bmm(hidden, weight.transpose(1, 2)))
    assert torch.autograd.gradcheck(_Readout.apply, (hidden, weight))


@pytest.mark.parametrize(
    "name, domain", [("nade", cr.Domain.binary(LENGTH)), ("rnade", cr.Domain.vector(LENGTH))]
)
def test_gradients_under_autocast_are_near_those_without(name, domain):
    model = build(name, domain).float()
    x = bits() if domain.discrete else reals().float()
    gradients = []
    for enabled in (True, False):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = -model.log_prob(x).mean() / LENGTH
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert all(p.grad.dtype == torch.float32 for p in model.parameters())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98
