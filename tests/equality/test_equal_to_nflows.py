"""MADEs, a flow of them, additive couplings and splines are those of nflows, with the same weights.

The nets of ours read asinh of reals, and where log-scales or slopes have a soft limit here, nflows puts a least value
under them: inputs and parameters of theirs are converted by the formulas of both.
"""

import pytest
import torch
from copying import copy_linear, copy_masked, randomise
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.nn.nde.made import MixtureOfGaussiansMADE
from nflows.nn.nets import MLP
from nflows.transforms.autoregressive import MaskedAffineAutoregressiveTransform
from nflows.transforms.base import CompositeTransform
from nflows.transforms.coupling import AdditiveCouplingTransform
from nflows.transforms.made import MADE
from nflows.transforms.permutations import ReversePermutation
from nflows.transforms.splines import unconstrained_rational_quadratic_spline
from nflows.transforms.standard import PointwiseAffineTransform
from torch import nn
from torch.distributions import Bernoulli, Categorical, Normal
from torch.nn import functional as F

import chainrule as cr
from chainrule.flows import ActNorm, Autoregressive, Coupling, Scaling, Spline

D, WIDTH = 5, 12


def linears(made):
    """The masked layers, in order."""
    return [made.initial_layer, *(block.linear for block in made.blocks), made.final_layer]


def plain_made(cls, **options):
    """Without residual layers: two hidden layers."""
    return cls(D, WIDTH, num_blocks=1, use_residual_blocks=False, **options)


def softplus_of(value):
    """What softplus makes this of: its inverse."""
    return value + torch.log(-torch.expm1(-value))


def made(domain, **options):
    return randomise(cr.create_model("made", domain, hidden=[WIDTH, WIDTH], residual=False, **options))


@pytest.mark.proves("nflows", "MADE", "made of bits", "log-likelihoods of all items; logits")
def test_made_of_bits(equal, wide):
    """Row `made`: of bits, with torch's Bernoulli."""
    model, theirs = made(cr.Domain.binary(D)), plain_made(MADE, output_multiplier=1)
    copy_masked(model.network, linears(theirs))
    x = torch.cartesian_prod(*[torch.arange(2)] * D)
    logits = theirs(x.double())
    equal(model(x)[..., 0], logits)
    equal(model.log_prob(x), Bernoulli(logits=logits).log_prob(x.double()).sum(1))


@pytest.mark.proves("nflows", "MADE", "made of categories", "log-likelihoods of items")
def test_made_of_categories(equal, wide):
    """Row `made`: of four levels that enter as numbers, with torch's Categorical."""
    model, theirs = (
        made(cr.Domain.categorical(D, levels=4), encoding="number"),
        plain_made(MADE, output_multiplier=4),
    )
    copy_masked(model.network, linears(theirs))
    x = torch.randint(4, (50, D))
    logits = theirs(x.double() / 3).unflatten(1, (D, 4))
    equal(model.log_prob(x), Categorical(logits=logits).log_prob(x).sum(1))


@pytest.mark.proves("nflows", "MADE", "made of reals, one component", "log-densities of items")
def test_made_of_reals(equal, wide):
    """Row `made`: of reals, one normal for each, with torch's Normal."""
    model, theirs = (
        made(cr.Domain.vector(D), components=1, kernel="gaussian"),
        plain_made(MADE, output_multiplier=3),
    )
    copy_masked(model.network, linears(theirs))
    x = torch.randn(50, D)
    mean, log_scale, _ = theirs(torch.asinh(x)).unflatten(1, (D, 3)).unbind(-1)
    equal(model.log_prob(x), Normal(mean, log_scale.exp()).log_prob(x).sum(1))


class BentMixtures(MixtureOfGaussiansMADE):
    def forward(self, inputs, context=None):
        return super().forward(torch.asinh(inputs))


@pytest.mark.proves("nflows", "MixtureOfGaussiansMADE", "made of reals, mixtures", "log-densities of items")
def test_made_of_mixtures(equal, wide):
    """Row `made`: of reals, a mixture of normals for each.

    Scales are a softplus there and an exponential here, which no weights make equal for all inputs: here those of each
    variable and component are constant. Means are measured from points spread over [-1.5, 1.5] here. This MADE of
    nflows leaves the first layer without its ReLU; here it gets one.
    """
    k = 3
    model = made(cr.Domain.vector(D), components=k, kernel="gaussian")
    theirs = plain_made(BentMixtures, num_mixture_components=k)
    with torch.no_grad():
        out = model.network.out
        out.weight.unflatten(0, (D, 3, k))[:, 1] = 0
        copy_masked(model.network, linears(theirs))
        for parameter in (theirs.final_layer.weight, theirs.final_layer.bias):
            means, log_scales, logits = parameter.unflatten(0, (D, 3, k)).unbind(1)
            if parameter.ndim == 1:
                means, log_scales = means + torch.linspace(-1.5, 1.5, k), softplus_of(log_scales.exp() - 1e-2)
            parameter.copy_(torch.stack([logits, means, log_scales], 2).flatten(0, 2))
    theirs.initial_layer = nn.Sequential(theirs.initial_layer, nn.ReLU())
    x = torch.randn(50, D)
    equal(model.log_prob(x), theirs.log_prob(x))


class Converted(nn.Module):
    """Our (μ, log σ) as the scale and shift of z = scale · y + shift."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, context=None):
        mean, raw = self.net(torch.asinh(x)).unflatten(1, (D, 2)).unbind(-1)
        slope = torch.exp(-3 * torch.tanh(raw / 3))
        return torch.stack([softplus_of(slope - 1e-3), -mean * slope], -1).flatten(1)


def affine(module):
    shift = module.shift if isinstance(module, ActNorm) else torch.zeros(D)
    return PointwiseAffineTransform(shift * module.log_scale.exp(), module.log_scale.exp())


@pytest.mark.proves(
    "nflows", "MaskedAffineAutoregressiveTransform", "maf", "log-densities; items of the same z"
)
def test_maf(equal, wide):
    """Row `maf`: MADEs of one layer, the order reversed between them."""
    model = randomise(cr.create_model("maf", cr.Domain.vector(D), hidden=[WIDTH], transforms=3))
    norms, layers = (
        [module for module in model.modules() if isinstance(module, kind)]
        for kind in (ActNorm, Autoregressive)
    )
    transforms = []
    for norm, ours in zip(norms, layers, strict=True):
        theirs = MaskedAffineAutoregressiveTransform(D, WIDTH, num_blocks=0, use_residual_blocks=False)
        copy_masked(ours.network, linears(theirs.autoregressive_net))
        theirs.autoregressive_net = Converted(theirs.autoregressive_net)
        transforms += [*([ReversePermutation(D)] if transforms else []), affine(norm), theirs]
    flow = Flow(CompositeTransform(transforms), StandardNormal([D]))
    x, z = torch.randn(20, D), torch.randn(20, D)
    with torch.no_grad():
        equal(model.log_prob(x), flow.log_prob(x))
        equal(model.decode(z), flow._transform.inverse(z)[0])


class BentMLP(MLP):
    """Of the variables that stay."""

    def __init__(self, inputs, outputs):
        super().__init__([inputs], [outputs], [8, 16], activation=F.silu)

    def forward(self, inputs, context=None):
        return super().forward(torch.asinh(inputs))


@pytest.mark.proves("nflows", "AdditiveCouplingTransform", "nice", "z; the volume; items of the same z")
def test_nice(equal, wide):
    """Row `nice`, without its prior: nflows has no logistic one; `test_equal_to_zuko` has the likelihood."""
    model = randomise(cr.create_model("nice", cr.Domain.vector(D), hidden=[8, 16], transforms=4))
    transforms = []
    for ours in [module for module in model.modules() if isinstance(module, Coupling)]:
        theirs = AdditiveCouplingTransform((~ours.mask).int(), BentMLP)
        net = theirs.transform_net
        copy_linear(ours.net[0], net._input_layer, columns=ours.mask)
        copy_linear(ours.net[2], net._hidden_layers[0])
        copy_linear(ours.net[4], net._output_layer, rows=~ours.mask)
        transforms.append(theirs)
    transforms += [affine(module) for module in model.modules() if isinstance(module, Scaling)]
    flow = CompositeTransform(transforms)
    x, z = torch.randn(20, D), torch.randn(20, D)
    with torch.no_grad():
        ours, theirs = model.bijection(x), flow(x)
        equal(ours[0], theirs[0])
        equal(ours[1], theirs[1])
        equal(model.decode(z), flow.inverse(z)[0])


@pytest.mark.proves(
    "nflows", "unconstrained_rational_quadratic_spline", "nsf, its splines", "values; slopes; inverses"
)
def test_splines(equal, wide):
    """Row `nsf`: function against function, inside of the bounds and outside."""
    torch.manual_seed(0)
    k, bound = 6, 2.5
    ours, x = Spline(k, bound), torch.linspace(-4, 4, 1001)
    params = 2 * torch.randn(len(x), ours.size)
    widths, heights, slopes = params.split([k, k, k - 1], -1)
    slopes = softplus_of(torch.exp(3 * torch.tanh(slopes / 3)))
    options = {"tail_bound": bound, "min_bin_width": 0.0, "min_bin_height": 0.0, "min_derivative": 0.0}
    theirs = [torch.tanh(widths), torch.tanh(heights), slopes]
    z, log_slope = unconstrained_rational_quadratic_spline(x, *theirs, **options)
    equal(torch.stack(ours(x, params)), torch.stack([z, log_slope]))
    equal(
        ours.inverse(x, params),
        unconstrained_rational_quadratic_spline(x, *theirs, inverse=True, **options)[0],
    )
