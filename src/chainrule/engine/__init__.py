"""The one sampling loop, the rules that choose a value in it, the runners of its steps, and predictive sampling."""

from chainrule.engine.choice import Choice, Greedy, Known, Sample, Within, check_temperature, choose_particle
from chainrule.engine.fixed_point import FixedPoint
from chainrule.engine.flops import count_flops
from chainrule.engine.interfaces import Incremental
from chainrule.engine.noise import branch, draw_noise, draw_normal
from chainrule.engine.precision import end_training, exact_arithmetic
from chainrule.engine.predictive import Predictive, Runner, generate
from chainrule.engine.rollout import Rollout, rollout
from chainrule.engine.speculative import Speculative
from chainrule.engine.stream import stream

__all__ = [
    "Choice",
    "FixedPoint",
    "Greedy",
    "Incremental",
    "Known",
    "Predictive",
    "Rollout",
    "Runner",
    "Sample",
    "Speculative",
    "Within",
    "branch",
    "check_temperature",
    "choose_particle",
    "count_flops",
    "draw_noise",
    "draw_normal",
    "end_training",
    "exact_arithmetic",
    "generate",
    "rollout",
    "stream",
]
