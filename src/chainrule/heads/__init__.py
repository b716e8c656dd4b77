"""Heads: parameters ↔ the distribution of one site."""

from chainrule.heads.bernoulli import Bernoulli
from chainrule.heads.categorical import Categorical
from chainrule.heads.conditional import Conditional, Normal, Table
from chainrule.heads.default import default_head
from chainrule.heads.gaussian import BinnedGaussian, Gaussian
from chainrule.heads.head import Head

__all__ = [
    "Bernoulli",
    "BinnedGaussian",
    "Categorical",
    "Conditional",
    "Gaussian",
    "Head",
    "Normal",
    "Table",
    "default_head",
]
