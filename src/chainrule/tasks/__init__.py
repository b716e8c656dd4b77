"""What one does with a model: functions that return plain results."""

from chainrule.renamed import renamed
from chainrule.tasks.auroc import AUROC, auroc
from chainrule.tasks.blame import Blame, BlamedCell, blame, blamed_cells
from chainrule.tasks.classify import classify
from chainrule.tasks.complete_given import GivenCompletion, complete_given
from chainrule.tasks.complexity import complexity_bits
from chainrule.tasks.conditional import ConditionalLikelihood, conditional_log_prob
from chainrule.tasks.conditionals import conditionals
from chainrule.tasks.conditions import parse_conditions, parts_of
from chainrule.tasks.continuation import continuation
from chainrule.tasks.drawn import Drawn, Parts
from chainrule.tasks.ensemble import ensemble, together
from chainrule.tasks.evaluate import Evaluation, evaluate
from chainrule.tasks.hidden import HiddenNats, hidden_nats
from chainrule.tasks.interpolate import interpolate, interpolate_latent
from chainrule.tasks.likelihood import Likelihood, likelihood
from chainrule.tasks.masks import known_mask
from chainrule.tasks.nearest import nearest
from chainrule.tasks.posterior import Posterior, posterior
from chainrule.tasks.predict import predict, predict_proba
from chainrule.tasks.purify import purify
from chainrule.tasks.receptive_field import influence, receptive_field, receptive_fields
from chainrule.tasks.reconstruction import ReconstructionCost, reconstruction_cost
from chainrule.tasks.redraw import redraw
from chainrule.tasks.resynthesis import resynthesise
from chainrule.tasks.sample_given import GivenSample, sample_given
from chainrule.tasks.score import Scores, alarm_threshold, rank_p_value, score

__all__ = [
    "AUROC",
    "Blame",
    "BlamedCell",
    "ConditionalLikelihood",
    "Drawn",
    "Evaluation",
    "GivenCompletion",
    "GivenSample",
    "HiddenNats",
    "Likelihood",
    "Parts",
    "Posterior",
    "ReconstructionCost",
    "Scores",
    "alarm_threshold",
    "auroc",
    "blame",
    "blamed_cells",
    "classify",
    "complete_given",
    "complexity_bits",
    "conditional_log_prob",
    "conditionals",
    "continuation",
    "ensemble",
    "evaluate",
    "hidden_nats",
    "influence",
    "interpolate",
    "interpolate_latent",
    "known_mask",
    "likelihood",
    "nearest",
    "parse_conditions",
    "parts_of",
    "posterior",
    "predict",
    "predict_proba",
    "purify",
    "rank_p_value",
    "receptive_field",
    "receptive_fields",
    "reconstruction_cost",
    "redraw",
    "resynthesise",
    "sample_given",
    "score",
    "together",
]

__getattr__ = renamed(__name__)
