"""The one sampling loop, the rules that choose a value in it, and what runs its steps."""

from chainrule.engine.arithmetic import exact_arithmetic
from chainrule.engine.choice import Choice, Greedy, Known, Sample, choose_particle
from chainrule.engine.flops import count_flops
from chainrule.engine.noise import draw_noise
from chainrule.engine.rollout import Rollout, rollout
from chainrule.engine.runner import Incremental
from chainrule.engine.stream import stream

__all__ = [
    "Choice",
    "Greedy",
    "Incremental",
    "Known",
    "Rollout",
    "Sample",
    "choose_particle",
    "count_flops",
    "draw_noise",
    "exact_arithmetic",
    "rollout",
    "stream",
]
