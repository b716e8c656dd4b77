"""What one does with a model: functions that return plain results."""

from chainrule.tasks.bench_networks import SamplingBench, bench_sampling
from chainrule.tasks.evaluate import Evaluation, evaluate
from chainrule.tasks.known import given_part, known_mask
from chainrule.tasks.likelihood import Likelihood, likelihood
from chainrule.tasks.receptive_field import influence, receptive_field
from chainrule.tasks.reproduce import list_tables, recipes_of, reproduce

__all__ = [
    "Evaluation",
    "Likelihood",
    "SamplingBench",
    "bench_sampling",
    "evaluate",
    "given_part",
    "influence",
    "known_mask",
    "likelihood",
    "list_tables",
    "receptive_field",
    "recipes_of",
    "reproduce",
]
