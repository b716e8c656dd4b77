"""Causal layers: each has a parallel `forward`, an incremental `step`, and the state between steps."""

from chainrule.layers.code import Cells, Code, OneHot, Real, Scalar
from chainrule.layers.condition import Condition
from chainrule.layers.conv1d import CausalConv1d
from chainrule.layers.layer import CausalLayer, Pointwise, Serial
from chainrule.layers.linear import MaskedLinear, strictly_lower
from chainrule.layers.network import Network, Replay, Stack
from chainrule.layers.position import Position
from chainrule.layers.recurrent import Recurrent
from chainrule.layers.reordered import Reordered
from chainrule.layers.state import State, map_state, put_at, repeat_rows, select_rows, write_at
from chainrule.layers.strict_input import StrictInput

__all__ = [
    "CausalConv1d",
    "CausalLayer",
    "Cells",
    "Code",
    "Condition",
    "MaskedLinear",
    "Network",
    "OneHot",
    "Pointwise",
    "Position",
    "Real",
    "Recurrent",
    "Reordered",
    "Replay",
    "Scalar",
    "Serial",
    "Stack",
    "State",
    "StrictInput",
    "map_state",
    "put_at",
    "repeat_rows",
    "select_rows",
    "strictly_lower",
    "write_at",
]
