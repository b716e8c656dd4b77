"""Heads: parameters ↔ the distribution of one site."""

from chainrule.heads.bernoulli import Bernoulli
from chainrule.heads.categorical import Categorical
from chainrule.heads.columns import ColumnHeads, MaybeMissing
from chainrule.heads.conditional import CategoricalConditional, Conditional, Normal
from chainrule.heads.default import default_head, vector_head
from chainrule.heads.discretised_logistic import DiscretisedLogistic
from chainrule.heads.factored import FactoredCategorical
from chainrule.heads.gaussian import BinnedGaussian, Gaussian
from chainrule.heads.head import Head
from chainrule.heads.joint import Joint
from chainrule.heads.located import LocatedCategorical, LocatedLogistic
from chainrule.heads.mcgsm import MCGSM
from chainrule.heads.mixture import BinnedMixture, Mixture
from chainrule.heads.nade import NADEHead
from chainrule.heads.number import NumberHead
from chainrule.heads.support import COUNTS, POSITIVE, REALS, UNIT, Support, discrete, interval
from chainrule.renamed import renamed

__all__ = [
    "COUNTS",
    "MCGSM",
    "POSITIVE",
    "REALS",
    "UNIT",
    "Bernoulli",
    "BinnedGaussian",
    "BinnedMixture",
    "Categorical",
    "CategoricalConditional",
    "ColumnHeads",
    "Conditional",
    "DiscretisedLogistic",
    "FactoredCategorical",
    "Gaussian",
    "Head",
    "Joint",
    "LocatedCategorical",
    "LocatedLogistic",
    "MaybeMissing",
    "Mixture",
    "NADEHead",
    "Normal",
    "NumberHead",
    "Support",
    "default_head",
    "discrete",
    "interval",
    "vector_head",
]

__getattr__ = renamed(__name__)
