"""Causal layers: each has a parallel `forward`, an incremental `step`, and the state between steps."""

from chainrule.layers.attention import CausalAttention, Residual
from chainrule.layers.code import Cells, Centred, Code, OneHot, Real, Scalar
from chainrule.layers.condition import Condition
from chainrule.layers.conv1d import CausalConv1d
from chainrule.layers.diagonal_lstm import DiagonalBiLSTM, DiagonalLSTM, SpatialLSTM
from chainrule.layers.frame_features import FrameFeatures
from chainrule.layers.gated_residual import GatedResidual
from chainrule.layers.gated_stack import Gate, GatedStack
from chainrule.layers.grid import Everywhere, GridLayer, GridResidual, GridSerial
from chainrule.layers.layer import CausalLayer, Pointwise, Serial
from chainrule.layers.linear import MaskedLinear, strictly_lower
from chainrule.layers.masked_conv2d import MaskedConv2d, StrictConv2d
from chainrule.layers.multi_scale import MultiScale
from chainrule.layers.network import Network, Replay, Stack
from chainrule.layers.normed_conv1d import NormedConv1d
from chainrule.layers.pixel_conv import PixelConv
from chainrule.layers.plus_level import PlusLevel
from chainrule.layers.plus_stack import PlusStack
from chainrule.layers.position import Position
from chainrule.layers.raster import Place, Raster
from chainrule.layers.raster_stack import RasterStack
from chainrule.layers.recurrent import Recurrent
from chainrule.layers.reordered import Reordered
from chainrule.layers.reversible import Reversible
from chainrule.layers.row_conv import RowConv, shift_down
from chainrule.layers.row_lstm import RowLSTM
from chainrule.layers.running_hidden import RunningHidden
from chainrule.layers.skip_stack import SkipStack
from chainrule.layers.state import State, map_state, put_at, repeat_rows, select_rows, write_at
from chainrule.layers.strict_input import StrictInput
from chainrule.layers.temporal_block import TemporalBlock

__all__ = [
    "CausalAttention",
    "CausalConv1d",
    "CausalLayer",
    "Cells",
    "Centred",
    "Code",
    "Condition",
    "DiagonalBiLSTM",
    "DiagonalLSTM",
    "Everywhere",
    "FrameFeatures",
    "Gate",
    "GatedResidual",
    "GatedStack",
    "GridLayer",
    "GridResidual",
    "GridSerial",
    "MaskedConv2d",
    "MaskedLinear",
    "MultiScale",
    "Network",
    "NormedConv1d",
    "OneHot",
    "PixelConv",
    "Place",
    "PlusLevel",
    "PlusStack",
    "Pointwise",
    "Position",
    "Raster",
    "RasterStack",
    "Real",
    "Recurrent",
    "Reordered",
    "Replay",
    "Residual",
    "Reversible",
    "RowConv",
    "RowLSTM",
    "RunningHidden",
    "Scalar",
    "Serial",
    "SkipStack",
    "SpatialLSTM",
    "Stack",
    "State",
    "StrictConv2d",
    "StrictInput",
    "TemporalBlock",
    "map_state",
    "put_at",
    "repeat_rows",
    "select_rows",
    "shift_down",
    "strictly_lower",
    "write_at",
]
