"""Flows are zuko's, with the same weights.

In all of them the nets of ours read asinh of their inputs, and log-scales have a soft limit, tanh here and a fraction
there: inputs and parameters of theirs are converted by the formulas of both. Everything else is zuko's: masks, nets,
maps, orders, the composition, the base and the likelihood.
"""

import math
from functools import partial

import pytest
import torch
import zuko
from copying import Bent, copy_linear, copy_masked, randomise
from torch import nn
from torch.distributions import AffineTransform, SigmoidTransform, TransformedDistribution, Uniform
from zuko.flows import MAF, NICE, UnconditionalDistribution, UnconditionalTransform
from zuko.lazy import Flow, LazyInverse
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

import chainrule as cr
from chainrule.flows import ActNorm, Autoregressive, Coupling, Scaling

D = 5
BINS, BOUND, LIMIT = 4, 3.0, -math.log(1e-3)


def unlimited(value, limit=LIMIT):
    """What zuko's v / (1 + |v| / limit) makes this of."""
    return value / (1 - value.abs() / limit)


def affine(raw, shift):
    """z = y e^s + t, of our parameters (s, t)."""
    return MonotonicAffineTransform(shift, unlimited(3 * torch.tanh(raw / 3)))


def standardise(mean, raw):
    """z = (y - μ) / σ, of our parameters (μ, log σ)."""
    log_scale = -3 * torch.tanh(raw / 3)
    return MonotonicAffineTransform(-mean * log_scale.exp(), unlimited(log_scale))


def spline(params):
    """Of our parameters: K widths, K heights, K - 1 slopes."""
    widths, heights, slopes = params.split([BINS, BINS, BINS - 1], -1)
    widths, heights = (unlimited(torch.tanh(part), LIMIT / 2) for part in (widths, heights))
    return MonotonicRQSTransform(widths, heights, unlimited(3 * torch.tanh(slopes / 3)), bound=BOUND)


def norms(model):
    """Our activation normalisations as zuko's affine maps."""
    found = [module for module in model.modules() if isinstance(module, ActNorm)]
    return [(norm.shift * norm.log_scale.exp(), unlimited(norm.log_scale)) for norm in found]


def compare(model, flow, equal):
    """Densities, and what both make of the same z."""
    x, z = 2 * torch.randn(20, D), torch.randn(20, D)
    with torch.no_grad():
        equal(model.log_prob(x), flow().log_prob(x))
        equal(model.decode(z), flow().transform.inv(z))


def masked(name, equal, univariate, shapes, direction=lambda theirs: theirs, **options):
    """Autoregressive layers: every second sees the variables reversed here, and orders them so there."""
    model = randomise(cr.create_model(name, cr.Domain.vector(D), hidden=[8, 16], transforms=3, **options))
    flow = MAF(D, transforms=3, hidden_features=[8, 16], univariate=univariate, shapes=shapes)
    layers = [module for module in model.modules() if isinstance(module, Autoregressive)]
    transforms, natural = [], torch.arange(D)
    for i, (ours, theirs, norm) in enumerate(
        zip(layers, flow.transform.transforms, norms(model), strict=True)
    ):
        places = natural.flip(0) if i % 2 else natural
        copy_masked(
            ours.network, [part for part in theirs.hyper if isinstance(part, zuko.nn.MaskedLinear)], places
        )
        theirs.hyper = nn.Sequential(Bent(), *theirs.hyper)
        transforms += [
            UnconditionalTransform(MonotonicAffineTransform, *(part[places] for part in norm)),
            direction(theirs),
        ]
    compare(model, Flow(transforms, flow.base), equal)


def coupled(name, equal, univariate, shapes, base=None, last=(), **options):
    """Couplings: the net of ours sees all variables, those that move as zeros; zuko's sees those that stay."""
    model = randomise(cr.create_model(name, cr.Domain.vector(D), hidden=[8, 16], transforms=4, **options))
    sizes = {"hidden_features": [8, 16], "activation": nn.SiLU, "univariate": univariate, "shapes": shapes}
    flow = NICE(D, transforms=4, **sizes)
    layers = [module for module in model.modules() if isinstance(module, Coupling)]
    before, transforms = norms(model), []
    for i, (ours, theirs) in enumerate(zip(layers, flow.transform.transforms, strict=True)):
        assert torch.equal(ours.mask, theirs.mask)
        moved, size = (~ours.mask).nonzero()[:, 0], ours.univariate.size
        copy_linear(ours.net[0], theirs.hyper[0], columns=ours.mask)
        copy_linear(ours.net[2], theirs.hyper[2])
        # Outputs are one parameter after the other here, one variable after the other there.
        copy_linear(ours.net[4], theirs.hyper[4], rows=(moved[:, None] + D * torch.arange(size)).flatten())
        theirs.hyper = nn.Sequential(Bent(), *theirs.hyper)
        norm = [UnconditionalTransform(MonotonicAffineTransform, *before[i])] if before else []
        transforms += [*norm, theirs]
    transforms += [make(model) for make in last]
    compare(model, Flow(transforms, base or flow.base), equal)


@pytest.mark.proves("zuko", "flows.MAF", "maf", "log-densities; items of the same z")
def test_maf(equal, wide):
    """Row `maf`: three MADEs of two layers, in both orders."""
    masked("maf", equal, standardise, [(), ()])


@pytest.mark.proves("zuko", "flows.MAF, inverted", "iaf", "log-densities; items of the same z")
def test_iaf(equal, wide):
    """Row `iaf`: the same the other way round."""
    masked("iaf", equal, standardise, [(), ()], LazyInverse)


@pytest.mark.proves(
    "zuko",
    "flows.MAF of splines",
    "nsf, autoregressive",
    "log-densities; items of the same z",
)
def test_autoregressive_splines(equal, wide):
    """Row `nsf` with `transform=autoregressive`: zuko's `NSF` is this with splines on [-5, 5]."""
    masked("nsf", equal, spline, [(3 * BINS - 1,)], transform="autoregressive", bins=BINS, bound=BOUND)


@pytest.mark.proves(
    "zuko",
    "flows.NICE of splines",
    "nsf, coupling",
    "log-densities; items of the same z",
)
def test_coupling_splines(equal, wide):
    """Row `nsf` with `transform=coupling`."""
    coupled("nsf", equal, spline, [(3 * BINS - 1,)], bins=BINS, bound=BOUND)


@pytest.mark.proves("zuko", "flows.RealNVP", "realnvp of vectors", "log-densities; items of the same z")
def test_realnvp(equal, wide):
    """Row `realnvp`, of vectors."""
    coupled("realnvp", equal, affine, [(), ()])


@pytest.mark.proves("zuko", "flows.NICE, additive", "nice", "log-densities; items of the same z")
def test_nice(equal, wide):
    """Row `nice`: zuko's couplings with torch's `AffineTransform` of scale 1, and a logistic base of torch."""

    def scaling(model):
        (ours,) = [module for module in model.modules() if isinstance(module, Scaling)]
        return UnconditionalTransform(MonotonicAffineTransform, torch.zeros(D), unlimited(ours.log_scale))

    logistic = TransformedDistribution(Uniform(torch.zeros(D), torch.ones(D)), [SigmoidTransform().inv])
    base = UnconditionalDistribution(torch.distributions.Independent, logistic, 1)
    coupled("nice", equal, partial(AffineTransform, scale=1.0), [()], base=base, last=[scaling])
