"""What one does with a model: functions that return plain results."""

from chainrule.tasks.classify import classify
from chainrule.tasks.evaluate import Evaluation, evaluate
from chainrule.tasks.interpolate import interpolate
from chainrule.tasks.known import given_part, known_mask
from chainrule.tasks.likelihood import Likelihood, likelihood
from chainrule.tasks.nearest import nearest
from chainrule.tasks.receptive_field import influence, receptive_field, receptive_fields
from chainrule.tasks.reconstruction import ReconstructionCost, reconstruction_cost
from chainrule.tasks.reproduce import list_tables, recipes_of, reproduce

__all__ = [
    "Evaluation",
    "Likelihood",
    "ReconstructionCost",
    "classify",
    "evaluate",
    "given_part",
    "influence",
    "interpolate",
    "known_mask",
    "likelihood",
    "list_tables",
    "nearest",
    "receptive_field",
    "receptive_fields",
    "recipes_of",
    "reconstruction_cost",
    "reproduce",
]
