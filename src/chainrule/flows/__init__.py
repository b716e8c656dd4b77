"""Bijections with log-determinants, their priors, and levels as numbers."""

from chainrule.flows.autoregressive import Autoregressive
from chainrule.flows.bijection import Bijection, Chain, Inverse
from chainrule.flows.coupling import Coupling, additive, alternate, checkerboard, half_channels
from chainrule.flows.dequantise import Uniform, Variational
from chainrule.flows.logit import Logit
from chainrule.flows.nets import ResidualConvs, perceptron
from chainrule.flows.priors import Logistic, Normal, Prior
from chainrule.flows.scaling import ActNorm, Scaling
from chainrule.flows.shapes import FactorOut, Flatten, Reverse, Squeeze
from chainrule.flows.univariate import Affine, Shift, Spline, Standardise, Univariate
from chainrule.renamed import renamed

__all__ = [
    "ActNorm",
    "Affine",
    "Autoregressive",
    "Bijection",
    "Chain",
    "Coupling",
    "FactorOut",
    "Flatten",
    "Inverse",
    "Logistic",
    "Logit",
    "Normal",
    "Prior",
    "ResidualConvs",
    "Reverse",
    "Scaling",
    "Shift",
    "Spline",
    "Squeeze",
    "Standardise",
    "Uniform",
    "Univariate",
    "Variational",
    "additive",
    "alternate",
    "checkerboard",
    "half_channels",
    "perceptron",
]

__getattr__ = renamed(__name__)
